"""What is asked of clips, and the classes that are found, as text and as a table."""

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from graphreel.core.atomic_files import write_text
from graphreel.inspect.timeline import clock, segments


@dataclass(frozen=True)
class FootageOptions:
    """What is asked for beside the classes.

    Attributes:
        window: seconds of a window of a long video; None: as long as the training's clips, 0: none.
        overlay: a video to write, with what was seen drawn into it.
        camera: the number of a camera, or what else OpenCV opens, to read until it ends or Ctrl-C.
        skip_damaged: leave out what cannot be read.
        quiet: without a progress bar.
    """

    window: float | None = None
    overlay: Path | None = None
    camera: str | None = None
    skip_damaged: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Row:
    """What was said of a clip: of a file, of one of its clips, or of a part of its time in seconds."""

    file: str
    shares: Tensor | None  # None: nobody is seen
    clip: int | None = None
    start: float | None = None
    stop: float | None = None
    scene: Any = None  # what an overlay draws


def told(rows: list[Row], classes: list[str], top: int) -> list[str]:
    """What is printed: the likeliest classes of a file and of each of its clips; a line for each of several files."""
    if len(rows) == 1 and rows[0].shares is not None:
        return [f"  {name}{share}" for name, share in _ranked(rows[0].shares, classes, top)]
    lines: list[str] = []
    for part, start, stop in segments(rows):
        if part[0].clip is not None and part[0].shares is not None and len({row.file for row in rows}) == 1:
            lines += [f"clip {part[0].clip}", *told([replace(part[0], clip=None)], classes, top)]
            continue
        name = part[0].file if part[0].clip is None else f"{part[0].file}, clip {part[0].clip}"
        name = name if part[0].start is None else f"{clock(start)} to {clock(stop)}"
        known = [row.shares for row in part if row.shares is not None]
        mean = sum(known[1:], known[0]) / len(known) if known else None
        best = "nobody is seen" if mean is None else "  ".join(map("".join, _ranked(mean, classes, min(top, 3))))
        lines.append(f"  {name:<32}{best}")
    return lines


def _ranked(shares: Tensor, classes: list[str], top: int) -> list[tuple[str, str]]:
    best = shares.argsort(descending=True)[:top].tolist()
    width = max(map(len, classes)) + 2
    return [(f"{classes[i]:<{width}}", f"{shares[i]:.3f}") for i in best]


def write_table(rows: list[Row], classes: list[str], path: Path) -> Path:
    """A .csv of file, clip, start and end in seconds, the likeliest class, its probability, and those of all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file", "clip", "start", "end", "class", "probability", *classes])
    for row in rows:
        where = [row.file, row.clip, *(None if time is None else f"{time:.3f}" for time in (row.start, row.stop))]
        if row.shares is None:
            writer.writerow([*where, "", ""] + [""] * len(classes))
        else:
            shares = [f"{share:.4f}" for share in row.shares.tolist()]
            writer.writerow([*where, classes[int(row.shares.argmax())], max(shares), *shares])
    return write_text(path, text.getvalue())
