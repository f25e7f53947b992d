"""The run folder: config.json, metrics.json, history.csv, curves.png, checkpoint.pt."""

import csv
import io
import json
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from graphreel import __version__
from graphreel.core.atomic_files import write_json, write_text, write_whole

FORMAT = "graphreel run 1"


class RunFolder:
    """A folder that holds one training, finished or interrupted. Every file in it is written whole or not at all."""

    def __init__(self, path: Path):
        self.path = Path(path)

    @classmethod
    def create(cls, path: Path, config: Mapping[str, Any], overwrite: bool = False) -> "RunFolder":
        """Make the folder and write config.json into it, before any work is done.

        Raises:
            ValueError: the folder holds a run already and `overwrite` is off, or is not a folder.
            OSError: it cannot be written.
        """
        run = cls(path)
        if run.path.exists() and not run.path.is_dir():
            raise ValueError(f"--out expects a folder, got the file {run.path}")
        if run.config_path.exists() and not overwrite:
            raise ValueError(
                f"{run.path} already holds a run: continue it with --resume {run.path}, "
                "name another folder with --out, or replace it with --overwrite"
            )
        for old in (run.checkpoint_path, run.metrics_path, run.history_path, run.curves_path):
            old.unlink(missing_ok=True)
        write_json(run.config_path, {"format": FORMAT, **config, **provenance()})
        return run

    @classmethod
    def open(cls, path: Path, room: str | None = None) -> "RunFolder":
        """Open a folder that a training left.

        Raises:
            FileNotFoundError: there is no such folder.
            ValueError: it is not a run folder, or one of another room than `room`.
        """
        run = cls(path)
        if not run.path.is_dir():
            raise FileNotFoundError(2, "no such run folder", str(path))
        if not run.config_path.is_file():
            raise ValueError(f"{path} is not a run folder: it has no config.json")
        config = run.config()
        if config.get("format") != FORMAT:
            raise ValueError(f"{path} is not a run folder: its config.json does not say {FORMAT!r}")
        if room is not None and config.get("room") != room:
            raise ValueError(f"{path} holds a run of {config.get('room')}, but this command expects one of {room}")
        return run

    @property
    def config_path(self) -> Path:
        return self.path / "config.json"

    @property
    def metrics_path(self) -> Path:
        return self.path / "metrics.json"

    @property
    def history_path(self) -> Path:
        return self.path / "history.csv"

    @property
    def curves_path(self) -> Path:
        return self.path / "curves.png"

    @property
    def checkpoint_path(self) -> Path:
        return self.path / "checkpoint.pt"

    @property
    def files(self) -> list[Path]:
        """Those of the five that are there."""
        five = (self.config_path, self.metrics_path, self.history_path, self.curves_path, self.checkpoint_path)
        return [path for path in five if path.exists()]

    def config(self) -> dict[str, Any]:
        return _read_json(self.config_path)

    def metrics(self) -> dict[str, Any]:
        return _read_json(self.metrics_path)

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        write_json(self.metrics_path, metrics)

    def write_history(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """One row per evaluation and seed; the columns are the union of the rows' keys, in order of appearance."""
        columns = list(dict.fromkeys(key for row in rows for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.history_path, text.getvalue())

    def save_checkpoint(self, content: Mapping[str, Any]) -> None:
        import torch

        whole = io.BytesIO()  # torch.save's own writer hides a full disk behind an error of another kind
        torch.save({"format": FORMAT, **content}, whole)
        write_whole(self.checkpoint_path, lambda beside: beside.write_bytes(whole.getbuffer()))

    def load_checkpoint(self) -> dict[str, Any]:
        """Read checkpoint.pt without running code from it (`weights_only=True`), onto the CPU.

        Raises:
            FileNotFoundError: there is none yet.
            ValueError: it is cut short, corrupt, holds code, or is of another kind.
        """
        import torch

        if not self.checkpoint_path.is_file():
            raise FileNotFoundError(2, "no checkpoint in this run folder", str(self.checkpoint_path))
        try:
            content = torch.load(self.checkpoint_path, map_location="cpu", weights_only=True)
        except Exception:  # torch.load raises a dozen kinds on bytes that are not a checkpoint
            raise ValueError(
                f"{self.checkpoint_path} cannot be read as a checkpoint: it is cut short or damaged, or holds more "
                "than numbers and settings"
            ) from None
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError(f"{self.checkpoint_path} is not a checkpoint of graphreel: it does not say {FORMAT!r}")
        return content


def chosen_path(out: Path | None, name: str) -> Path:
    """Where a training goes: `out`, or the first free runs/NAME, runs/NAME-2, ..."""
    return out or free_path(Path("runs") / name)


def free_path(path: Path) -> Path:
    """`path`, or with -2, -3, ... behind it when that exists."""
    candidate, count = Path(path), 1
    while candidate.exists():
        count += 1
        candidate = Path(f"{path}-{count}")
    return candidate


def provenance() -> dict[str, Any]:
    """Versions of what ran, and the git commit of a source checkout (None where it is an installed package)."""
    return {
        "versions": {
            "graphreel": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("torch", "torch-geometric", "numpy")},
        },
        "git_commit": _git_commit(),
    }


def _git_commit() -> str | None:
    source = Path(__file__).resolve().parents[2]
    if not (source / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(source), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} expects a JSON object, got {type(value).__name__}")
    return value
