"""Arrays of .npy and .npz: those that are asked for, and none that claims to be far larger than its file."""

import math
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

LARGE, DENSE = 256 * 2**20, 100  # bytes of an array, and their ratio to the file, from which it is taken for a trap


def read_npy(path: Path) -> np.ndarray:
    """The array of a .npy.

    Raises:
        ValueError: it is damaged, holds neither numbers nor text, or claims to be far larger than the file.
    """
    with path.open("rb") as file, _named(path):
        return _read(file, path.stat().st_size, path.name)


def read_npz(path: Path, choose: Callable[[list[str]], Iterable[str]]) -> dict[str, np.ndarray]:
    """Arrays of a .npz, whose names `choose` picks from those that are there. Others stay unread.

    Raises:
        ValueError: as `read_npy`.
    """
    with path.open("rb") as file, _named(path), zipfile.ZipFile(file) as archive:
        members = {name.removesuffix(".npy"): archive.getinfo(name) for name in archive.namelist()}
        arrays = {}
        for name in choose(list(members)):
            with archive.open(members[name]) as member:
                arrays[name] = _read(member, members[name].compress_size, name)
        return arrays


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a damaged file fails in many ways
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise ValueError(f"{path.name} cannot be read: {' '.join(reason.split())}") from None


def _read(file: Any, stored: int, name: str) -> np.ndarray:
    try:
        version = npy.read_magic(file)
    except ValueError:
        raise ValueError(f"{name} is no array") from None
    shape, fortran, dtype = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
    if dtype.kind not in "fiubSU":
        raise ValueError(f"{name} holds {dtype}, expected numbers or text")
    size = math.prod(shape) * dtype.itemsize
    if size > max(LARGE, DENSE * stored):
        raise ValueError(f"{name} claims {size / 2**30:.1f} GB in {stored / 2**20:.3g} MB")
    raw = file.read(size)
    if len(raw) != size:
        raise ValueError(f"{name} ends after {len(raw)} of {size} bytes")
    return np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C")
