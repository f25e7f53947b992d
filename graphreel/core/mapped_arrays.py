"""Arrays of .npy that are written through a memory map."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.lib.format import open_memmap
from numpy.typing import NDArray

ROWS = 1 << 26  # bytes that are copied at once


def new_array(path: Path, dtype: Any, shape: tuple[int, ...]) -> Any:
    """A new file of zeros, mapped, whose room on the disk is taken at once: to find none later would end the process.

    Raises:
        OSError: the disk is full.
    """
    array = open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("rb+") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, max(path.stat().st_size, 1))
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from None
    return array


def write_rows(path: Path, dtype: Any, shape: tuple[int, ...], rows: Callable[[int, int], NDArray[Any]]) -> None:
    """Write an array of rows(first, last) a few at a time, beside its place, and rename it; not if it is there."""
    if path.is_file():
        return
    beside = path.with_name(f"{path.stem}.part")
    array = new_array(beside, dtype, shape)
    step = max(ROWS // max(array[:1].nbytes, 1), 1)
    for first in range(0, shape[0], step):
        array[first : first + step] = rows(first, min(first + step, shape[0]))
    array.flush()
    beside.rename(path)
