"""Sensor values as arrays: .npy, .npz (PEMS04, PEMS08), the .h5 of pandas (METR-LA, PEMS-BAY) or of one array."""

import math
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

_LARGE, _DENSE = 256 * 2**20, 100  # bytes of a member, and their ratio to the file, from which it is taken for a trap
VALUES = ("data", "values", "x", "X", "arr_0")  # what the array of a series is called


def read_array(path: Path, wanted: tuple[str, ...] = VALUES) -> np.ndarray:
    """The numbers of a .npy, or the first member of a .npz that is called as `wanted`, as float64. Others stay unread.

    Raises:
        ValueError: it is damaged, holds no such numbers, or claims to be far larger than the file.
    """
    try:
        if path.suffix.lower() == ".npy":
            with path.open("rb") as file:
                return _read(file, path.stat().st_size, path.name)
        with zipfile.ZipFile(path) as archive:
            members = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            name = next((name for name in wanted if name in members), None)
            if name is None:
                raise ValueError(f"it holds {', '.join(members[:9]) or 'no arrays'}, expected {' or '.join(wanted)}")
            with archive.open(f"{name}.npy") as member:
                return _read(member, archive.getinfo(f"{name}.npy").compress_size, name)
    except ValueError as error:
        raise ValueError(f"{path.name} is no readable array: {error}") from None
    except Exception as error:  # a damaged archive fails in many ways
        raise ValueError(f"{path.name} is no readable array: {type(error).__name__}: {error}") from None


def _read(file: Any, stored: int, name: str) -> np.ndarray:
    version = npy.read_magic(file)
    shape, fortran, dtype = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
    if dtype.kind not in "fiub":
        raise ValueError(f"{name} holds {dtype}, expected numbers")
    count = math.prod(shape)
    size = count * dtype.itemsize
    if size > max(_LARGE, _DENSE * stored):
        raise ValueError(f"{name} claims {size / 2**30:.1f} GB in {stored / 2**20:.3g} MB")
    raw = file.read(size)
    if len(raw) != size:
        raise ValueError(f"{name} ends after {len(raw)} of {size} bytes")
    values = np.frombuffer(raw, dtype).reshape(shape, order="F" if fortran else "C")
    return values.astype(np.float64)


def read_h5(path: Path) -> tuple[np.ndarray, list[str] | None, np.ndarray | None]:
    """Values [time, nodes(, channels)], names and times of a .h5, each None where the file has none.

    As pandas writes a frame of numbers (`axis0` the names, `axis1` the times, `block0_values`), or one array.

    Raises:
        ValueError: it is damaged or in neither form, or h5py is not there.
    """
    try:
        import h5py
    except ImportError:
        raise ValueError(f"{path.name} needs h5py: pip install 'graphreel[tables]'") from None
    try:
        with h5py.File(path) as file:
            groups = [file, *(entry for entry in file.values() if isinstance(entry, h5py.Group))]
            frame = next((group for group in groups if "block0_values" in group and "axis1" in group), None)
            if frame is not None:
                if "block1_values" in frame:
                    raise ValueError("its columns are of several kinds, expected numbers alone")
                names = [name.decode() if isinstance(name, bytes) else str(name) for name in frame["axis0"][:]]
                times = frame["axis1"][:]
                kind = frame["axis1"].attrs.get("kind", b"")
                if b"datetime" in (kind if isinstance(kind, bytes) else str(kind).encode()):
                    times = times.astype("datetime64[ns]")
                return _numbers(frame["block0_values"], path), names, times
            arrays = [entry for group in groups for entry in group.values() if isinstance(entry, h5py.Dataset)]
            arrays = [entry for entry in arrays if len(entry.shape) in (2, 3) and entry.dtype.kind in "fiu"]
            if len(arrays) != 1:
                raise ValueError(f"it holds {len(arrays)} arrays [time, nodes], expected one")
            return _numbers(arrays[0], path), None, None
    except ValueError as error:
        raise ValueError(f"{path.name} is no readable .h5 of a series: {error}") from None
    except Exception as error:  # a damaged file fails in many ways
        raise ValueError(f"{path.name} is no readable .h5 of a series: {type(error).__name__}: {error}") from None


def _numbers(entry: Any, path: Path) -> np.ndarray:
    if entry.size * entry.dtype.itemsize > max(_LARGE, _DENSE * path.stat().st_size):
        raise ValueError(f"{entry.name} claims to be {entry.size * entry.dtype.itemsize / 2**30:.1f} GB")
    return np.asarray(entry[()], dtype=np.float64)
