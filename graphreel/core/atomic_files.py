"""Write a file whole or not at all (beside its place, then renamed), and over none that is read."""

import io
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any


def write_whole(path: Path, write: Callable[[Path], Any], before: Callable[[], Any] = lambda: None) -> Path:
    """Let `write` fill a file next to `path`, then rename it to `path`.

    The file beside keeps the suffix of `path`, since matplotlib and Pillow read the format from it. When `write` fails
    nothing is left behind and an older `path` stays as it was.

    Args:
        before: called once the file beside is whole, right before it is renamed.

    Raises:
        OSError: the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        write(beside)
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        before()
        os.replace(beside, path)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        beside.unlink(missing_ok=True)
    return path


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Remove what processes that were killed in `write_whole` left of such files; nobody may be writing them."""
    for name in map(Path, names):
        for beside in folder.glob(f".{name.stem}.*{name.suffix}"):
            if beside.name.removeprefix(f".{name.stem}.").removesuffix(name.suffix).isdigit():
                beside.unlink(missing_ok=True)


def write_text(path: Path, text: str, before: Callable[[], Any] = lambda: None) -> Path:
    """`write_whole` of a text, in UTF-8."""
    return write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"), before)


def write_json(path: Path, value: Any, before: Callable[[], Any] = lambda: None) -> Path:
    """`write_whole` of a value as indented JSON.

    Raises:
        ValueError: it holds a number that is not finite.
    """
    return write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", before)


def write_tensors(path: Path, content: Any, before: Callable[[], Any] = lambda: None) -> Path:
    """`write_whole` of what torch.save takes; its own writer hides a full disk behind an error of another kind."""
    import torch

    whole = io.BytesIO()
    torch.save(content, whole)
    return write_whole(path, lambda beside: beside.write_bytes(whole.getbuffer()), before)


def refuse_to_overwrite(written: Iterable[Path], read: Iterable[Path]) -> None:
    """See that no file that is read would be written over.

    Raises:
        ValueError: one would.
    """
    sources = [path for path in read if path.exists()]
    for path in written:
        if path.exists() and any(path.samefile(source) for source in sources):
            raise ValueError(f"--out would write over {path}, which is read: choose another name")
