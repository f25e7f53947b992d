"""MUTAG: molecules that are mutagenic or not, from its text file or from TUDataset's."""

import math
import os
import tempfile
from pathlib import Path

import torch
from torch_geometric.data import Data

from ..data_dirs import cache_folder, fetch, find
from ..registry import graph_text_of
from ..text_files import read_text
from .complete_graph import complete_set
from .graph_dataset import GraphDataset
from .tu_folder import read_tu

_ATOMS = ["C", "N", "O", "F", "I", "Cl", "Br"]  # in the order of TUDataset's node labels
_TEXT_TAGS = [2, 5, 6, 3, 4, 1, 0]  # the same atoms in MUTAG.txt
_TEXT_LABELS = [0, 2]
_CLASS_NAMES = ["not mutagenic", "mutagenic"]
_Parsed = tuple[int, list[int], list[tuple[int, int]], list[list[float]]]  # label; of each node a tag; edges; numbers


def load_mutag() -> GraphDataset:
    """188 nitroaromatic compounds (Debnath et al., 1991), 125 of them mutagenic; x is the atom, one-hot over 7.

    The text file `mutag/MUTAG.txt` and TUDataset's raw files give the same features; the bonds' types are left out.
    """
    names = ("mutag/MUTAG.txt", "MUTAG/MUTAG.txt", "MUTAG.txt")
    text, raw = find(*names), find("MUTAG/raw/MUTAG_A.txt", "TUDataset/MUTAG/raw/MUTAG_A.txt")
    if text is not None:
        parsed = _parse(text)
        tags, labels = {tag for graph in parsed for tag in graph[1]}, {graph[0] for graph in parsed}
        if not (tags <= set(_TEXT_TAGS) and labels <= set(_TEXT_LABELS)):
            raise ValueError(f"{text} has tags {tags} and labels {labels}, expected {_TEXT_TAGS} and {_TEXT_LABELS}")
        graphs = _encode(parsed, _TEXT_TAGS, _TEXT_LABELS)
    else:
        if raw is None:
            fetch(
                _download,
                "www.chrsmrrs.com",
                "mutag needs mutag/MUTAG.txt, or TUDataset's raw files in MUTAG/raw",
                "digits, whose embedded clips are graphs with one class each",
            )
        folder = (raw or cache_folder() / "MUTAG/raw/MUTAG_A.txt").parent
        graphs = read_tu(folder, "MUTAG", list(range(len(_ATOMS))), edges=False)
        for graph in graphs:
            graph.y = (graph.y > 0).long()
    return GraphDataset(graphs, "mutag", _CLASS_NAMES, _ATOMS)


def load_graph_text(path: str | os.PathLike[str]) -> GraphDataset:
    """Read a file of graphs: their number; per graph a line `n label`; per node a line `tag degree neighbours...`.

    Features are the tags, one-hot in ascending order (of a single tag, the nodes' degrees in its place), and the
    numbers that stand behind the neighbours of every node; classes are the labels in ascending order. A folder that
    holds one such file is read as the file is.

    Raises:
        ValueError: a line that is not as described, by its number.
    """
    file = Path(path)
    if file.is_dir():
        file = graph_text_of(file) or file / f"{file.name}.txt"
    parsed = _parse(file)
    labels = sorted({graph[0] for graph in parsed})
    tags = sorted({tag for graph in parsed for tag in graph[1]})
    graphs, classes = _encode(parsed, tags, labels), list(map(str, labels))
    names = [f"tag {tag}" for tag in tags] + [f"attribute {place}" for place in range(len(parsed[0][3][0]))]
    if len(names) > 1:
        return GraphDataset(graphs, file.stem, classes, names)
    known = complete_set(graphs, file.stem)  # a single tag says nothing
    return GraphDataset(known.graphs, file.stem, classes, known.feature_names, known.notes)


def _parse(path: Path) -> list[_Parsed]:
    lines = read_text(path)[0].split("\n")

    def words(place: int, at_least: int) -> list[str]:
        found = lines[place].split() if place < len(lines) else []
        whole = all(word.lstrip("+-").isdecimal() and len(word) < 19 for word in found[:at_least])
        if len(found) < at_least or not whole:
            what = repr(lines[place][:40]) if place < len(lines) else "the end of the file"
            raise ValueError(f"{path.name}, line {place + 1}: expected {at_least} or more whole numbers, got {what}")
        return found

    count, place = int(words(0, 1)[0]), 1
    parsed: list[_Parsed] = []
    for _ in range(count):
        size, label = map(int, words(place, 2)[:2])
        if size < 1:
            raise ValueError(f"{path.name}, line {place + 1}: expected a graph of 1 or more nodes, got {size}")
        tags, edges, numbers = [], [], []
        for node in range(size):
            tag, degree, *rest = words(place + 1 + node, 2)
            try:
                others, beyond = list(map(int, rest[: int(degree)])), list(map(float, rest[max(int(degree), 0) :]))
                fits = len(others) == int(degree) and all(0 <= other < size for other in others)
                fits = fits and all(map(math.isfinite, beyond))
            except ValueError:
                fits = False
            if not fits:
                raise ValueError(
                    f"{path.name}, line {place + 2 + node}: expected {degree} neighbours in 0..{size - 1}, "
                    f"got [{', '.join(rest)}]"
                )
            tags.append(int(tag))
            edges += [(node, other) for other in others]
            numbers.append(beyond)
        parsed.append((label, tags, edges, numbers))
        place += 1 + size
    if not parsed:
        raise ValueError(f"{path.name} holds no graphs")
    if len({len(beyond) for graph in parsed for beyond in graph[3]}) > 1:  # not a column: they mean nothing
        parsed = [(label, tags, edges, [[] for _ in tags]) for label, tags, edges, _ in parsed]
    return parsed


def _encode(parsed: list[_Parsed], tags: list[int], labels: list[int]) -> list[Data]:
    graphs = []
    for label, own, edges, numbers in parsed:
        one_hot = torch.nn.functional.one_hot(torch.tensor([tags.index(tag) for tag in own]), len(tags)).float()
        edge_index = torch.tensor(sorted(edges), dtype=torch.int64).reshape(-1, 2).t().contiguous()
        x = torch.cat([one_hot, torch.tensor(numbers).reshape(len(own), -1)], dim=1)
        graphs.append(
            Data(
                x=x,
                edge_index=edge_index,
                y=torch.tensor([labels.index(label)]),
                target=torch.tensor([label], dtype=torch.float64),
            )
        )
    return graphs


def _download() -> None:
    from torch_geometric.data import Dataset
    from torch_geometric.datasets import TUDataset

    class RawFiles(TUDataset):
        """Only the download: the raw files are text, PyG's result would be a pickle."""

        has_process = False

        def __init__(self, root: str, name: str) -> None:
            self.name, self.cleaned = name, False
            Dataset.__init__(self, root)

    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder()) as beside:
        RawFiles(beside, "MUTAG")
        os.replace(Path(beside) / "MUTAG", cache_folder() / "MUTAG")
