"""Write files whole or not at all (see graphreel.core.atomic_files), and over none that is read."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def write_whole(path: Path, write: Callable[[Path], Any]) -> Path:
    """See graphreel.core.atomic_files.write_whole."""
    from graphreel.core.atomic_files import (
        write_whole as write_beside,  # not above: torch takes seconds, and --help needs none
    )

    return write_beside(path, write)


def refuse_to_overwrite(written: Iterable[Path], read: Iterable[Path]) -> None:
    """See that no file that is read would be written over.

    Raises:
        ValueError: one would.
    """
    sources = [path for path in read if path.exists()]
    for path in written:
        if path.exists() and any(path.samefile(source) for source in sources):
            raise ValueError(f"--out would write over {path}, which is read: choose another name")


def write_text(path: Path, text: str) -> Path:
    return write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> Path:
    return write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
