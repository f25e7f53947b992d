"""Tensors and arrays that took a while to make, kept in a file that loads without running code."""

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from graphreel.core.atomic_files import write_tensors, write_whole

from .data_dirs import cache_folder


def content_key(file: Path, *settings: Any) -> str:
    """A key for `cached` that tells of the content of a file, wherever it lies, and of how it is read."""
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256")
    digest.update(repr(settings).encode())
    return digest.hexdigest()


def cached(kind: str, key: str, build: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return build()'s dictionary of tensors, strings and lists, from `cache_folder()/kind/key.pt` where it is there.

    The key must say all that the result depends on (a hash of the inputs and of the format). A damaged file is made
    anew; a folder that cannot be written to only costs the time to build again. Files are written beside and renamed.
    """
    import torch

    return _cached(
        cache_folder() / kind / f"{key}.pt", build, lambda path: torch.load(path, weights_only=True), write_tensors
    )


def cached_arrays(kind: str, key: str, build: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """`cached` of NumPy's arrays, in an .npz, without torch."""

    def read(path: Path) -> dict[str, np.ndarray]:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}

    def write(path: Path, made: dict[str, np.ndarray]) -> None:
        write_whole(path, lambda beside: np.savez(beside, **made))  # type: ignore[arg-type]

    return _cached(cache_folder() / kind / f"{key}.npz", build, read, write)


def _cached(path: Path, build: Any, read: Callable[[Path], Any], write: Callable[[Path, Any], Any]) -> Any:
    if path.is_file():
        with contextlib.suppress(Exception):  # a damaged file fails in many ways, and is replaced below
            loaded = read(path)
            if isinstance(loaded, dict):
                return loaded
    made = build()
    with contextlib.suppress(OSError):
        write(path, made)
    return made
