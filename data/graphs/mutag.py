"""MUTAG: molecules that are mutagenic or not, from its text file or from TUDataset's."""

import os
import tempfile
from pathlib import Path

import torch
from torch_geometric.data import Data

from ..data_dirs import cache_folder, fetch, find
from ..text_files import read_text
from .complete_graph import complete_set
from .graph_dataset import GraphDataset

_ATOMS = ["C", "N", "O", "F", "I", "Cl", "Br"]  # in the order of TUDataset's node labels
_TEXT_TAGS = [2, 5, 6, 3, 4, 1, 0]  # the same atoms in MUTAG.txt
_TEXT_LABELS = [0, 2]
_CLASS_NAMES = ["not mutagenic", "mutagenic"]
_Parsed = tuple[int, list[int], list[tuple[int, int]]]  # label, tag of each node, edges


def load_mutag() -> GraphDataset:
    """188 nitroaromatic compounds (Debnath et al., 1991), 125 of them mutagenic; x is the atom, one-hot over 7.

    The text file `mutag/MUTAG.txt` and TUDataset's raw files give the same features; the bonds' types are left out.
    """
    names = ("mutag/MUTAG.txt", "MUTAG/MUTAG.txt", "MUTAG.txt")
    text, raw = find(*names), find("MUTAG/raw/MUTAG_A.txt", "TUDataset/MUTAG/raw/MUTAG_A.txt")
    if text is not None:
        parsed = _parse(text)
        tags, labels = {tag for _, node_tags, _ in parsed for tag in node_tags}, {label for label, _, _ in parsed}
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
        graphs = _read_tu((raw or cache_folder() / "MUTAG/raw/MUTAG_A.txt").parent)
    return GraphDataset(graphs, "mutag", _CLASS_NAMES, _ATOMS)


def load_graph_text(path: str | os.PathLike[str]) -> GraphDataset:
    """Read a file of graphs: their number; per graph a line `n label`; per node a line `tag degree neighbours...`.

    Features are the tags, one-hot in ascending order (of a single tag, the nodes' degrees in its place), classes the
    labels in ascending order. A folder NAME that holds NAME.txt is read as the file is.

    Raises:
        ValueError: a line that is not as described, by its number.
    """
    file = Path(path)
    parsed = _parse(file / f"{file.name}.txt" if file.is_dir() else file)
    labels = sorted({label for label, _, _ in parsed})
    tags = sorted({tag for _, node_tags, _ in parsed for tag in node_tags})
    graphs, classes = _encode(parsed, tags, labels), list(map(str, labels))
    if len(tags) > 1:
        return GraphDataset(graphs, file.stem, classes, list(map(str, tags)))
    known = complete_set(graphs, file.stem)  # a single tag says nothing
    return GraphDataset(known.graphs, file.stem, classes, notes=known.notes)


def _parse(path: Path) -> list[_Parsed]:
    lines = read_text(path)[0].split("\n")

    def numbers(place: int, at_least: int) -> list[int]:
        try:
            found = [int(word) for word in lines[place].split()]
        except (IndexError, ValueError):
            found = []
        if len(found) < at_least:
            what = repr(lines[place][:40]) if place < len(lines) else "the end of the file"
            raise ValueError(f"{path.name}, line {place + 1}: expected {at_least} or more whole numbers, got {what}")
        return found

    (count, *_), place = numbers(0, 1), 1
    parsed: list[_Parsed] = []
    for _ in range(count):
        size, label = numbers(place, 2)[:2]
        if size < 1:
            raise ValueError(f"{path.name}, line {place + 1}: expected a graph of 1 or more nodes, got {size}")
        nodes = [numbers(place + 1 + node, 2) for node in range(size)]
        for node, (_, degree, *neighbours) in enumerate(nodes):
            if not 0 <= degree <= len(neighbours) or not all(0 <= other < size for other in neighbours[:degree]):
                raise ValueError(
                    f"{path.name}, line {place + 2 + node}: expected {degree} neighbours in 0..{size - 1}, "
                    f"got {neighbours}"
                )
        edges = [(node, other) for node, (_, degree, *others) in enumerate(nodes) for other in others[:degree]]
        parsed.append((label, [tag for tag, *_ in nodes], edges))
        place += 1 + size
    if not parsed:
        raise ValueError(f"{path.name} holds no graphs")
    return parsed


def _encode(parsed: list[_Parsed], tags: list[int], labels: list[int]) -> list[Data]:
    return [
        _graph([tags.index(tag) for tag in node_tags], len(tags), edges, labels.index(label))
        for label, node_tags, edges in parsed
    ]


def _read_tu(folder: Path) -> list[Data]:
    """TUDataset's plain text files: all nodes in a row, numbered from 1."""

    def column(name: str) -> list[int]:
        file = folder / f"MUTAG_{name}.txt"
        if not file.is_file():
            raise FileNotFoundError(f"{folder} lacks {file.name}")
        try:
            numbers = [int(word) for word in read_text(file)[0].replace(",", " ").split()]
        except ValueError as error:
            raise ValueError(f"{file.name} is damaged: {error}") from None
        if not numbers:
            raise ValueError(f"{file.name} is empty")
        return numbers

    graph_of, atoms, labels, pairs = (column(n) for n in ("graph_indicator", "node_labels", "graph_labels", "A"))
    known = len(graph_of) == len(atoms) and len(pairs) % 2 == 0 and min(pairs) >= 1 and max(pairs) <= len(atoms)
    sorted_by_graph = graph_of == sorted(graph_of) and set(graph_of) == set(range(1, len(labels) + 1))
    within = known and all(graph_of[a - 1] == graph_of[b - 1] for a, b in zip(pairs[::2], pairs[1::2], strict=True))
    if not (within and sorted_by_graph and min(atoms) >= 0 and max(atoms) < len(_ATOMS)):
        raise ValueError(f"{folder} is inconsistent: {len(atoms)} atoms, {len(graph_of)} in {len(labels)} graphs")
    first: dict[int, int] = {}
    for node, graph in enumerate(graph_of):
        first.setdefault(graph, node)
    members: dict[int, list[int]] = {graph: [] for graph in range(1, len(labels) + 1)}
    edges: dict[int, list[tuple[int, int]]] = {graph: [] for graph in members}
    for node, graph in enumerate(graph_of):
        members[graph].append(atoms[node])
    for source, target in zip(pairs[::2], pairs[1::2], strict=True):
        graph = graph_of[source - 1]
        edges[graph].append((source - 1 - first[graph], target - 1 - first[graph]))
    return [_graph(members[g], len(_ATOMS), edges[g], int(label > 0)) for g, label in enumerate(labels, start=1)]


def _graph(tags: list[int], num_tags: int, edges: list[tuple[int, int]], label: int) -> Data:
    return Data(
        x=torch.nn.functional.one_hot(torch.tensor(tags, dtype=torch.int64), num_tags).float(),
        edge_index=torch.tensor(sorted(edges), dtype=torch.int64).reshape(-1, 2).t().contiguous(),
        y=torch.tensor([label]),
    )


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
