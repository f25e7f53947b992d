"""Labelled sequences in each form that is read: in every one the order alone tells the class."""

import json
import math
import random
from collections.abc import Callable
from pathlib import Path

_COUNT = 120


def _write_texts(path: Path) -> list[Path]:
    """text,label: what is asked, and what is told."""
    rows = [f'"{text}",{label}' for text, label in _sentences()]
    return [_write(path, ["text,label", *rows])]


def _write_folder(path: Path) -> list[Path]:
    """CLASS/NUMBER.txt."""
    files = []
    for number, (text, label) in enumerate(_sentences()):
        (path / label).mkdir(parents=True, exist_ok=True)
        files.append(_write(path / label / f"{number}.txt", [text]))
    return files


def _write_tokens(path: Path) -> list[Path]:
    """{"tokens": [...], "label": ...}: a user reads what was opened, a robot before."""
    draw = random.Random(0)
    rows = []
    for number in range(_COUNT):
        pairs = [["open", "read"] if number % 2 else ["read", "open"] for _ in range(draw.randrange(1, 9))]
        tokens = [token for pair in pairs for token in (*pair, *["wait"] * draw.randrange(3))]
        rows.append(json.dumps({"tokens": tokens, "label": ("robot", "user")[number % 2]}))
    return [_write(path, rows)]


def _waves() -> list[tuple[list[tuple[float, float]], str]]:
    """Two values a step, of which the second follows the first, or goes ahead of it."""
    draw = random.Random(0)
    found = []
    for number in range(_COUNT):
        shift, start = (0.8, -0.8)[number % 2], draw.uniform(0, 6)
        angles = [start + 0.5 * step for step in range(draw.randrange(8, 30))]
        steps = [(math.sin(a) + draw.gauss(0, 0.1), math.sin(a - shift) + draw.gauss(0, 0.1)) for a in angles]
        found.append((steps, ("ahead", "behind")[number % 2]))
    return found


def _write_steps(path: Path) -> list[Path]:
    """id, step, x, y, label, with tabs between: a row a step."""
    rows = ["id\tstep\tx\ty\tlabel"]
    for number, (steps, label) in enumerate(_waves()):
        rows += [f"{number}\t{step}\t{x:.3f}\t{y:.3f}\t{label}" for step, (x, y) in enumerate(steps)]
    return [_write(path, rows)]


def _write_arrays(path: Path) -> list[Path]:
    """values [steps of all, 2] laid end to end, lengths and labels [sequences]."""
    import numpy as np

    waves = _waves()
    values = np.array([step for steps, _ in waves for step in steps])
    np.savez_compressed(path, values=values, lengths=[len(w[0]) for w in waves], labels=[label for _, label in waves])
    return [path]


def _sentences() -> list[tuple[str, str]]:
    draw = random.Random(0)
    who, what = ("the fox", "the crow", "a king", "the miller"), ("see", "hear", "follow", "forget")
    found = []
    for number in range(_COUNT):
        count = draw.randrange(1, 4)
        clauses = [f"{draw.choice(who)} did {draw.choice(what)} {draw.choice(who)}" for _ in range(count)]
        if number % 2:
            clauses[0] = "did " + clauses[0].replace(" did", "")
        found.append((", and ".join(clauses), ("told", "asked")[number % 2]))
    return found


def _write(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


SEQUENCE_EXAMPLES: dict[str, Callable[[Path], list[Path]]] = {
    ".csv": _write_texts,
    "": _write_folder,
    ".jsonl": _write_tokens,
    ".tsv": _write_steps,
    ".npz": _write_arrays,
}
