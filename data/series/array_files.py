"""Sensor values as arrays: .npy, .npz (PEMS04, PEMS08), the .h5 of pandas (METR-LA, PEMS-BAY) or of one array."""

from pathlib import Path
from typing import Any

import numpy as np

from ..npy_files import DENSE, LARGE, read_npy, read_npz

VALUES = ("data", "values", "x", "X", "arr_0")  # what the array of a series is called


def read_array(path: Path, wanted: tuple[str, ...] = VALUES) -> np.ndarray:
    """The numbers of a .npy, or of the first member of a .npz that is called as `wanted`, as float64.

    Raises:
        ValueError: there is no such member, or it holds no numbers; as `read_npy`.
    """

    def first(members: list[str]) -> tuple[str, ...]:
        found = next(((name,) for name in wanted if name in members), None)
        if found is None:
            raise ValueError(f"it holds {', '.join(members[:9]) or 'no arrays'}, expected {' or '.join(wanted)}")
        return found

    values = read_npy(path) if path.suffix.lower() == ".npy" else next(iter(read_npz(path, first).values()))
    if values.dtype.kind in "SU":
        raise ValueError(f"{path.name} holds text, expected numbers")
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
                kind = kind.decode() if isinstance(kind, bytes) else str(kind)
                if "datetime" in kind:
                    unit = kind.partition("[")[2].partition("]")[0] or "ns"  # pandas 3 also writes microseconds
                    times = times.astype(f"datetime64[{unit}]").astype("datetime64[ns]")
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
    if entry.size * entry.dtype.itemsize > max(LARGE, DENSE * path.stat().st_size):
        raise ValueError(f"{entry.name} claims to be {entry.size * entry.dtype.itemsize / 2**30:.1f} GB")
    return np.asarray(entry[()], dtype=np.float64)
