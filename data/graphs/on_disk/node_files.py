"""Features, labels and parts of the nodes out of files of one's own."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data

from graphreel.core.mapped_arrays import write_rows

from ...npy_files import read_npz
from ...tables import PARTS, SENSOR_NAMES, SPLIT_NAMES, TableOptions, read_table
from ..complete_graph import DEGREE_NAMES, SPLITS, draw_parts
from ..graph_checks import check_labels
from .disk_graph import Array

_KEPT = (np.dtype("float16"), np.dtype("float32"))


def open_rows(path: Path, argument: str) -> Array:
    """An array of a row a node, mapped.

    Raises:
        ValueError: it is no .npy of numbers.
    """
    try:
        array: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{argument} {path} cannot be read as .npy: {' '.join(str(error).split())}") from None
    if not isinstance(array, np.ndarray) or array.ndim not in (1, 2) or array.dtype.kind not in "fiubSU":
        raise ValueError(f"{argument} {path} holds no numbers in rows, expected a .npy of one row a node")
    return array


def write_features(folder: Path, x: Array, name: str) -> None:
    """x.npy [N, F] of an array: float16 and float32 as they are, all else as float32.

    Raises:
        ValueError: it holds NaN or infinity, or text.
    """
    x = x[:, None] if x.ndim == 1 else x
    if x.dtype.kind in "SU" or x.shape[1] == 0:
        raise ValueError(f"x of {name} is {x.dtype} {list(x.shape)}, expected numbers [nodes, features]")
    dtype = x.dtype if x.dtype in _KEPT else np.dtype("float32")

    def rows(first: int, last: int) -> Array:
        with np.errstate(over="ignore"):
            block = np.asarray(x[first:last]).astype(dtype, copy=False)
        finite = np.isfinite(block).all(1)
        if not finite.all():
            raise ValueError(f"x of {name} holds NaN or infinity in row {first + int((~finite).argmax())}")
        return block

    write_rows(folder / "x.npy", dtype, x.shape, rows)


def write_degrees(folder: Path, start: Array) -> list[str]:
    """x.npy of one-hot in-degrees up to 15, where there are no features; return their names."""
    width = len(DEGREE_NAMES)

    def rows(first: int, last: int) -> Array:
        degree = np.minimum(np.diff(start[first : last + 1]), width - 1)
        return np.eye(width, dtype=np.float16)[degree]

    write_rows(folder / "x.npy", np.float16, (start.size - 1, width), rows)
    return DEGREE_NAMES


def labels_of(y: Array, name: str) -> tuple[dict[str, Array], list[str] | None]:
    """{"y": classes, -1 for none} of whole numbers or words, else {"target": numbers, NaN for none}; names of classes.

    Raises:
        ValueError: there is more than one label a node.
    """
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise ValueError(f"y of {name} is {list(y.shape)}, expected one label a node")
    if y.dtype.kind in "SU":
        words, found = np.unique(y, return_inverse=True)
        classes = [word.decode() if isinstance(word, bytes) else str(word) for word in words.tolist()]
        unknown = bool(classes) and not classes[0]
        return {"y": (found - unknown).astype(np.int32)}, classes[unknown:]
    if y.dtype.kind == "f":
        known = np.isfinite(y)
        if (known & (y != np.round(y))).any():
            return {"target": y.astype(np.float32)}, None
        y = np.where(known, y, -1)
    most = int(y.max(initial=-1))
    if most >= max(10_000, len(y)):
        raise ValueError(f"y of {name} holds {most}, expected classes numbered from 0")
    return {"y": np.maximum(y, -1).astype(np.int32)}, None


def read_splits(path: Path, num_nodes: int) -> dict[str, Array]:
    """Masks [N] of the parts that a file names.

    A .npz, or a .pt of a dictionary, holds train, val (or valid) and test: numbers of nodes, or masks. A .npy has for
    each node 0, 1, 2 for train, val, test and anything else for none, or these words; a table has a column split, and
    perhaps one with the numbers of the nodes.

    Raises:
        ValueError: it is none of these, or names a node that is not there.
    """
    suffix, given = path.suffix.lower(), {}
    if suffix == ".npz":
        given = read_npz(path, lambda names: [name for name in names if _part(name)])
    elif suffix == ".pt":
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            given = {name: np.asarray(value) for name, value in content.items() if _part(name)}
        except FileNotFoundError:
            raise
        except Exception as error:  # a damaged or foreign file fails in many ways
            reason = str(error).strip().splitlines()[:1]
            raise ValueError(f"{path.name} is no dictionary of train, val and test: {reason}") from None
    elif suffix == ".npy":
        return _by_word(open_rows(path, "--splits"), np.arange(num_nodes), num_nodes, path.name)
    else:
        table = read_table(path, TableOptions())
        column, key = table.find(SPLIT_NAMES), table.find(SENSOR_NAMES)
        if column is None and table.frame.shape[1] == 1:
            column = 0
        if column is None:
            raise ValueError(f"{path.name} lacks a column split")
        nodes = np.arange(len(table.frame)) if key is None else table.numbers(key)
        return _by_word(np.array(table.texts(column)), nodes, num_nodes, path.name)
    if not given:
        raise ValueError(f"{path.name} holds none of train, val and test")
    masks = {}
    for name, values in given.items():
        mask = np.zeros(num_nodes, bool)
        if values.dtype == bool:
            if values.shape != (num_nodes,):
                raise ValueError(f"{name} of {path.name} is {list(values.shape)}, expected [{num_nodes}]")
            mask |= values
        else:
            mask[_nodes(values, num_nodes, path.name)] = True
        masks[f"{_part(name)}_mask"] = mask
    return masks


def _part(name: str) -> str | None:
    return PARTS.get(name.strip().lower().removesuffix("_mask").removesuffix("_idx"))


def _by_word(words: Array, nodes: Array, num_nodes: int, name: str) -> dict[str, Array]:
    if words.ndim != 1 or len(words) != len(nodes):
        raise ValueError(f"{name} has {list(words.shape)} entries, expected one for each of the {num_nodes} nodes")
    nodes = _nodes(nodes, num_nodes, name)
    names = {"train": "train", "val": "val", "test": "test"}
    masks = {f"{part}_mask": np.zeros(num_nodes, bool) for part in names}
    for value in np.unique(words):
        word = value.decode() if isinstance(value, bytes) else str(value).strip()
        part = _part(word) or {"0": "train", "1": "val", "2": "test"}.get(word)
        if part:
            masks[f"{part}_mask"][nodes[words == value]] = True
        elif words.dtype.kind in "SU" and word.lower() not in ("", "none", "nan", "-1"):
            raise ValueError(f"{name} holds {word!r}, expected train, val or test")
    return masks


def _nodes(values: Array, num_nodes: int, name: str) -> Array:
    values = np.asarray(values).ravel()
    wrong = values[~((values >= 0) & (values < num_nodes) & (values == np.round(values)))]
    if wrong.size:
        raise ValueError(f"{name} names node {wrong[0]:g}, but the graph has {num_nodes} nodes")
    return values.astype(np.int64)


def parts_of(labels: dict[str, Array], masks: dict[str, Array], name: str, notes: list[str]) -> dict[str, Array]:
    """The three masks: those that are given, and what is missing drawn from the labelled nodes, as in `complete_graph`.

    Raises:
        ValueError: they do not fit the labels or one another.
    """
    data = Data(**{key: torch.from_numpy(values) for key, values in labels.items()})
    if "y" in labels:
        data.y = data.y.long()
    known = torch.where(data.target.isfinite(), 0, -1) if "target" in labels else data.y
    given = {key: torch.from_numpy(mask) for key, mask in masks.items()}
    missing = [split for split in SPLITS if split not in given]
    if missing:
        draw_parts(given, missing, known, name)
        drawn = " and ".join(split.removesuffix("_mask") for split in missing)
        notes.append(f"{name}: the {drawn} part is drawn from the labelled nodes")
    for split, mask in given.items():
        data[split] = mask
    check_labels(data, len(known))
    return {split: mask.numpy() for split, mask in given.items()}
