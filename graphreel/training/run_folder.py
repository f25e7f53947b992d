"""The run folder: config.json, metrics.json, history.csv, curves.png, checkpoint.pt."""

import base64
import csv
import html
import io
import json
import logging
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from graphreel.core.atomic_files import remove_leftovers, write_json, write_tensors, write_text
from graphreel.training.errors import RunFolderLost
from graphreel.training.provenance import provenance

_LOG = logging.getLogger("graphreel")
FORMAT = "graphreel run 1"
_FIVE = ("config.json", "metrics.json", "history.csv", "curves.png", "checkpoint.pt")
_MORE = ("samples.txt", "gates.png", "compare.png")  # what some trainings write beside them


class RunFolder:
    """A folder that holds one training, finished or interrupted. Every file in it is written whole or not at all.

    Args:
        path: of the folder.
        outer: the run that this one is a part of.
    """

    def __init__(self, path: Path, outer: "RunFolder | None" = None):
        self.path, self.outer = Path(path), outer
        self.config_path, self.metrics_path, self.history_path, self.curves_path, self.checkpoint_path = (
            self.path / name for name in _FIVE
        )
        self._replacing: dict[str, Any] | None = None  # the config that waits for the first checkpoint

    def begin(self, config: Mapping[str, Any], overwrite: bool = False) -> "RunFolder":
        """Make the folder and write config.json into it, before any work is done.

        A run that is to be overwritten stays as it is until the new one's first checkpoint.

        Raises:
            ValueError: the folder holds a run already and `overwrite` is off, or files that no run left.
            OSError: it cannot be written.
        """
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"--out expects a folder, got the file {self.path}")
        content = {"format": FORMAT, **config, **provenance()}
        if self.is_run:
            if not overwrite:
                raise ValueError(
                    f"{self.path} already holds a run: continue it with --resume {self.path}, "
                    "name another folder with --out, or replace it with --overwrite"
                )
            self._replacing = content
            return self
        foreign = [name for name in (*_FIVE, *_MORE) if (self.path / name).exists()]
        if foreign:
            raise ValueError(f"{self.path} holds {foreign[0]}, which no run left there: name another folder with --out")
        if self.outer is not None and self.outer._replacing is not None:
            self._replacing = content  # the folder belongs to the run that is being replaced
        else:
            write_json(self.config_path, content)
        return self

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

    @contextmanager
    def locked(self) -> Iterator["RunFolder"]:
        """Keep other trainings out of the folder, and clear what a killed one left half-written.

        Raises:
            ValueError: another training is at work in it, or it is a file.
        """
        from filelock import FileLock, Timeout

        if self.path.exists() and not self.path.is_dir():
            raise ValueError(f"--out expects a folder, got the file {self.path}")
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / ".lock", timeout=0)  # the system's: it ends with the process that holds it
        try:
            lock.acquire()
        except Timeout:
            raise ValueError(
                f"{self.path} is in use by another training: wait for its end, or name another folder with --out"
            ) from None
        try:
            for folder in (self.path, *(path for path in self.path.iterdir() if path.is_dir())):
                remove_leftovers(folder, (*_FIVE, *_MORE))
            yield self
        finally:
            with suppress(OSError):
                Path(lock.lock_file).unlink()
            lock.release()

    @property
    def is_run(self) -> bool:
        """Whether a training has left its config.json here."""
        try:
            return self.config().get("format") == FORMAT
        except (OSError, ValueError):
            return False

    @property
    def has_checkpoint(self) -> bool:
        """Whether this run, and not one that it replaces, has left a checkpoint."""
        return self._replacing is None and any(path.exists() for path in self.checkpoints)

    @property
    def checkpoints(self) -> list[Path]:
        """checkpoint.pt, and those from before, newest first: checkpoint-1.pt, checkpoint-2.pt, ..."""
        older = {path for path in self.path.glob("checkpoint-*.pt") if path.stem.partition("-")[2].isdigit()}
        return [self.checkpoint_path, *sorted(older, key=lambda path: int(path.stem.partition("-")[2]))]

    @property
    def files(self) -> list[Path]:
        """Those of the five that are there."""
        return [self.path / name for name in _FIVE if (self.path / name).exists()]

    def config(self) -> dict[str, Any]:
        return self._replacing if self._replacing is not None else _read_json(self.config_path)

    def metrics(self) -> dict[str, Any]:
        return _read_json(self.metrics_path)

    def check(self) -> None:
        """See that the folder is still there.

        Raises:
            RunFolderLost: it is not.
        """
        if self._replacing is None and not self.config_path.is_file():
            raise RunFolderLost(f"{self.path} was deleted or moved while a training wrote to it")

    def write_metrics(self, metrics: Mapping[str, Any]) -> None:
        self.check()
        write_json(self.metrics_path, metrics)

    def write_history(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """One row per evaluation and seed; the columns are the union of the rows' keys, in order of appearance."""
        self.check()
        columns = list(dict.fromkeys(key for row in rows for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(self.history_path, text.getvalue())

    def save_checkpoint(self, content: Mapping[str, Any], keep: int = 1) -> None:
        """Write checkpoint.pt; the first one of a run that overwrites another takes that one's place.

        Args:
            keep: how many checkpoints stay, with those from before.
        """
        self.check()

        def make_place() -> None:
            self._replace()
            self._age(keep)

        write_tensors(self.checkpoint_path, {"format": FORMAT, **content}, make_place)

    def _age(self, keep: int) -> None:
        """Number those from before one up, and remove the oldest; checkpoint.pt stays until it is replaced."""
        older = [self.path / f"checkpoint-{age}.pt" for age in range(1, keep)]
        for path in self.checkpoints[1:]:
            if path not in older[:-1]:
                path.unlink()
        for young, old in reversed(list(pairwise(older))):
            if young.exists():
                young.replace(old)
        if older and self.checkpoint_path.exists():
            older[0].unlink(missing_ok=True)
            try:
                older[0].hardlink_to(self.checkpoint_path)
            except OSError:  # a file system without links
                self.checkpoint_path.replace(older[0])

    def _replace(self) -> None:
        """Take the place of the run that was here, if there was one."""
        if self.outer is not None:
            self.outer._replace()
        if self._replacing is None:
            return
        write_json(self.config_path, self._replacing, self._clear)
        self._replacing = None

    def _clear(self) -> None:
        for inner in self.path.iterdir():
            if inner.is_dir() and RunFolder(inner).is_run:
                RunFolder(inner)._clear()
                with suppress(OSError):  # it holds files that no training left
                    inner.rmdir()
        for path in (*self.checkpoints, *(self.path / name for name in (*_FIVE[1:], *_MORE, _FIVE[0]))):
            path.unlink(missing_ok=True)

    def _repr_html_(self) -> str:
        """Its figures and curves, as a notebook shows them."""
        metrics = self.metrics() if self.metrics_path.is_file() else {}
        rows = {
            "data": self.config().get("data"),
            "model": metrics.get("model"),
            "seeds": len(metrics.get("seeds", [])),
        }
        for name, value in metrics.items():
            if isinstance(value, dict) and isinstance(value.get("mean"), float):
                rows[name] = f"{value['mean']:.4g} ± {value['std']:.2g}"
        rows |= {
            f"{name} (baseline)": f"{v:.4g}" for name, v in metrics.get("baselines", {}).items() if isinstance(v, float)
        }
        cells = "".join(
            f"<tr><td>{html.escape(name.replace('_', ' '))}</td><td>{html.escape(str(value))}</td></tr>"
            for name, value in rows.items()
        )
        picture = ""
        if self.curves_path.is_file():
            data = base64.b64encode(self.curves_path.read_bytes()).decode()
            picture = f'<img alt="curves" style="max-width:100%" src="data:image/png;base64,{data}">'
        state = "" if metrics else "<p>not finished: it goes on with --resume</p>"
        return f"<b>{html.escape(str(self.path))}</b>{state}<table>{cells}</table>{picture}"

    def load_checkpoint(self) -> dict[str, Any]:
        """Read checkpoint.pt without running code from it (`weights_only=True`), onto the CPU.

        Where it is damaged, the newest of those from before that is whole takes its place, which is said.

        Raises:
            FileNotFoundError: there is none yet.
            ValueError: it is cut short, corrupt, holds code, or is of another kind, and so are those from before.
        """
        faults: list[Exception] = []
        for path in self.checkpoints:
            try:
                content = _read_checkpoint(path)
            except (ValueError, FileNotFoundError) as error:
                faults.append(error)
            else:
                if faults:
                    _LOG.warning("%s; %s, from before it, is read in its place", faults[0], path.name)
                return content
        raise faults[0]


def _read_checkpoint(path: Path) -> dict[str, Any]:
    import torch

    if not path.is_file():
        raise FileNotFoundError(2, "no checkpoint in this run folder", str(path))
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip():  # torch.load does not look at the checksums that it writes
                raise zipfile.BadZipFile
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch.load raises a dozen kinds on bytes that are not a checkpoint
        raise ValueError(
            f"{path} cannot be read as a checkpoint: it is cut short or damaged, or holds more than numbers and "
            "settings"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path} is not a checkpoint of graphreel: it does not say {FORMAT!r}")
    return content


def free_folder(path: Path) -> Path:
    """Make `path`, or with -2, -3, ... behind it where that exists: two that ask at once get two folders."""
    candidate, count = Path(path), 1
    candidate.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            candidate.mkdir()
            return candidate
        except FileExistsError:
            count += 1
            candidate = Path(f"{path}-{count}")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{path} expects a JSON object, got {type(value).__name__}")
    return value
