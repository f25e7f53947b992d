"""Edges in any order on a disk become CSR by target, in memory that does not grow with them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from graphreel.core.atomic_files import write_json
from graphreel.core.mapped_arrays import new_array

from .disk_graph import edge_blocks

Array = NDArray[Any]
Chunk = tuple[Array, Array, dict[str, Array]]  # sources, targets, and what else is known of each edge
CHUNK, BLOCK = 1 << 21, 1 << 22  # edges that are read, and that are sorted, at once


def sort_by_target(
    folder: Path, chunks: Callable[[], Iterator[Chunk]], num_nodes: int, block: int = BLOCK,
    show: Callable[[str, float], None] = lambda what, done: None,
) -> int:  # fmt: skip
    """Write start.npy [N + 1], source.npy [E] and an array for each attribute of the edges; return E.

    A first pass counts the edges that enter each node, a second one cuts them into files by ranges of targets, of
    `block` edges each, and each file is then sorted on its own by counting. Edges of one target keep their order. What
    was finished before, in the same folder, is not done again.

    Args:
        chunks: the edges, each time from the beginning.
        num_nodes: targets are below it.
        show: told what is done and what share of it.
    """
    start_file, work = folder / "start.npy", folder / "ranges"
    if not start_file.is_file():
        counts = np.zeros(num_nodes + 1, np.int64)
        for _, target, _ in chunks():
            found = np.bincount(target)
            counts[1 : found.size + 1] += found
        np.cumsum(counts, out=counts)
        kind = np.int32 if counts[-1] < 2**31 else np.int64
        beside = folder / "counted.npy"
        np.save(beside, counts.astype(kind))
        beside.rename(start_file)
    start = np.load(start_file, mmap_mode="r")
    total = int(start[-1])
    cuts = np.array([0, *(end for _, end in edge_blocks(start, block))])
    state = work / "cut.json"
    if not state.is_file():
        _cut(work, chunks(), cuts, total, show)
        write_json(state, {"sorted": 0})
    done = int(json.loads(state.read_text())["sorted"])
    likes = {file.name.removesuffix(".like.npy"): np.load(file) for file in work.glob("*.like.npy")}
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r+") if done else
        new_array(folder / f"{name}.npy", like.dtype, (total, *like.shape[1:]))
        for name, like in likes.items() if name != "target"
    }  # fmt: skip
    for place in range(done, len(cuts) - 1):
        first, last = int(cuts[place]), int(cuts[place + 1])
        low, high = int(start[first]), int(start[last])
        order: Any = slice(None)
        if last - first > 1 and high > low:
            order = _order(np.fromfile(work / f"{place}.target", likes["target"].dtype) - first, last - first)
        for name, array in arrays.items():
            if high > low:
                array[low:high] = _mapped(work / f"{place}.{name}", likes[name])[order]
                array.flush()
        write_json(state, {"sorted": place + 1})
        for name in likes:
            (work / f"{place}.{name}").unlink(missing_ok=True)
        show("sorting", high / max(total, 1))
    return total


def _cut(work: Path, chunks: Iterator[Chunk], cuts: Array, total: int, show: Callable[[str, float], None]) -> None:
    """Append each chunk's edges to the files of the ranges that their targets are in, in their order."""
    work.mkdir(exist_ok=True)
    for left in work.iterdir():
        left.unlink()
    done, ranges = 0, len(cuts) - 1
    kind = np.int16 if ranges < 2**15 else np.int32  # NumPy sorts 16 bits by counting
    for source, target, attributes in chunks:
        fields = {"source": source, "target": target, **attributes}
        place = (np.searchsorted(cuts, target, side="right") - 1).astype(kind)
        order = np.argsort(place, kind="stable")
        ends = np.cumsum(np.bincount(place, minlength=ranges))
        for name, values in fields.items():
            values = values[order]
            if not done:
                np.save(work / f"{name}.like.npy", values[:0])
            for number in np.flatnonzero(np.diff(ends, prepend=0)):
                with (work / f"{number}.{name}").open("ab") as file:  # write says that a disk is full, tofile hides it
                    file.write(values[ends[number - 1] if number else 0 : ends[number]].data)
        done += target.size
        show("cutting into ranges", done / max(total, 1))


def _order(key: Array, count: int) -> Array:
    """A stable order by small numbers, as scipy counts them."""
    row = np.array([0, key.size], np.int64), np.arange(key.size)
    columns = csr_matrix((row[1], key, row[0]), shape=(1, count), copy=False).tocsc()
    return columns.data


def _mapped(file: Path, like: Array) -> Array:
    return np.memmap(file, like.dtype, "r").reshape(-1, *like.shape[1:])
