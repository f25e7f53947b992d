"""Commands of graphreel in a process of their own, on one thread, so that their numbers repeat."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_UNSET = ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "GRAPHREEL_DATA")


def environment() -> dict[str, str]:
    """One thread, a wide terminal without colours, and the same graphreel that is imported here."""
    spec = importlib.util.find_spec("graphreel")
    assert spec is not None and spec.origin is not None
    kept = {name: value for name, value in os.environ.items() if name not in _UNSET}
    path = [str(Path(spec.origin).parent.parent), *filter(None, [kept.get("PYTHONPATH")])]
    fixed = {"COLUMNS": "200", "TERMINAL_WIDTH": "200", "TERM": "dumb", "NO_COLOR": "1", "MPLBACKEND": "Agg"}
    return {**kept, **fixed, **dict.fromkeys(_THREADS, "1"), "PYTHONPATH": os.pathsep.join(path)}


def play(commands: Sequence[Sequence[str]], folder: Path) -> list[dict[str, Any]]:
    """Run commands in a folder, all in one process; return {"code", "out", "error"} of each."""
    with tempfile.TemporaryDirectory() as place:
        answers = Path(place) / "answers.json"
        subprocess.run(
            [sys.executable, str(HERE / "play.py"), str(answers)],
            input=json.dumps([list(command) for command in commands]),
            text=True, cwd=folder, env=environment(), check=True, timeout=600,
        )  # fmt: skip
        return json.loads(answers.read_text())


def interrupted(checkpoints: int, arguments: Sequence[str], folder: Path) -> None:
    """Start a training in a folder and stop it after so many checkpoints."""
    command = [sys.executable, str(HERE / "interrupt.py"), str(checkpoints), *arguments]
    ended = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=600)
    if ended.returncode != 130:
        raise RuntimeError(f"{arguments} was to be interrupted, but ended with {ended.returncode}: {ended.stderr}")


def expect_success(command: Sequence[str], answer: dict[str, Any]) -> None:
    """Raise AssertionError unless a command ended with 0."""
    assert answer["code"] == 0, f"graphreel {' '.join(command)} ended with {answer['code']}: {answer['error']}"
