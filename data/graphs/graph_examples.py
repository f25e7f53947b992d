"""A small valid file or folder of every format of graphs."""

import csv
import gzip
import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_PARTS = ("train", "train", "train", "val", "test")


def _people() -> tuple[list[list[Any]], list[list[Any]]]:
    """Sixty people, each (name, club, part, age), and who knows whom how well: rowers know rowers."""
    draw = random.Random(0)
    nodes, edges = [], []
    for number in range(60):
        club = "chess" if number % 2 else "rowing"
        nodes.append([f"person {number}", club, _PARTS[number // 2 % 5], 20 + draw.randrange(50)])
        for _ in range(3):
            friend = (number + 2 * draw.randrange(1, 30) + (draw.random() < 0.1)) % 60
            edges.append([number, friend, draw.randrange(1, 9)])
    return nodes, edges


def _rings_and_paths() -> list[tuple[int, int, list[tuple[int, int]]]]:
    """Forty graphs, each (nodes, class, edges in both directions): rings are 1, paths 0."""
    graphs = []
    for number in range(40):
        size, ring = 4 + number // 2 % 6, number % 2
        once = [(node, (node + 1) % size) for node in range(size - 1 + ring)]
        graphs.append((size, ring, sorted(once + [(b, a) for a, b in once])))
    return graphs


def _write_tables(path: Path) -> list[Path]:
    nodes, edges = _people()
    named = [[nodes[a][0], nodes[b][0], weight] for a, b, weight in edges]
    return [
        _rows(path / "nodes.csv", [["id", "label", "split", "age"], *nodes]),
        _rows(path / "edges.csv", [["source", "target", "weight"], *named]),
    ]


def _write_networkx(path: Path) -> list[Path]:
    import networkx as nx

    nodes, edges = _people()
    graph = nx.DiGraph()
    for name, club, part, age in nodes:
        graph.add_node(name, category=club, split=part, age=age)
    graph.add_weighted_edges_from((nodes[a][0], nodes[b][0], weight) for a, b, weight in edges)
    if path.suffix.lower() == ".json":
        path.write_text(json.dumps(nx.node_link_data(graph, edges="edges")), encoding="utf-8")
    else:
        (nx.write_graphml if path.suffix.lower() == ".graphml" else nx.write_gml)(graph, path)
    return [path]


def _write_pyg(path: Path) -> list[Path]:
    import torch
    from torch_geometric.data import Data

    nodes, edges = _people()
    data = Data(
        x=torch.tensor([[node[3] / 100] for node in nodes]),
        edge_index=torch.tensor([edge[:2] for edge in edges]).t().contiguous(),
        y=torch.tensor([node[1] == "rowing" for node in nodes]).long(),
    )
    for part in ("train", "val", "test"):
        data[f"{part}_mask"] = torch.tensor([node[2] == part for node in nodes])
    torch.save(data, path)
    return [path]


def _write_pyg_set(path: Path) -> list[Path]:
    import torch
    from torch_geometric.data import Data

    made = _rings_and_paths()
    torch.save(
        [Data(edge_index=torch.tensor(edges).t(), y=torch.tensor([y]), num_nodes=size) for size, y, edges in made], path
    )
    return [path]


def _write_text(path: Path) -> list[Path]:
    """Their number; per graph `nodes label`, then per node `tag degree neighbours`."""
    made = _rings_and_paths()
    lines = [str(len(made))]
    for size, label, edges in made:
        lines.append(f"{size} {label}")
        for node in range(size):
            ends = [str(b) for a, b in edges if a == node]
            lines.append(f"{node % 2} {len(ends)} {' '.join(ends)}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [path]


def _write_set_tables(path: Path) -> list[Path]:
    made = _rings_and_paths()
    rows: dict[str, list[list[Any]]] = {
        "graphs": [["graph", "label"]], "nodes": [["graph", "id", "kind"]], "edges": [["graph", "source", "target"]],
    }  # fmt: skip
    for number, (size, label, edges) in enumerate(made):
        name = f"molecule {number}"
        rows["graphs"].append([name, "ring" if label else "path"])
        rows["nodes"] += [[name, node, "CN"[node % 2]] for node in range(size)]
        rows["edges"] += [[name, a, b] for a, b in edges]
    return [_rows(path / f"{table}.csv", content) for table, content in rows.items()]


def _write_classes(path: Path) -> list[Path]:
    import networkx as nx

    written = []
    for number, (size, label, edges) in enumerate(_rings_and_paths()):
        graph = nx.Graph(edges)
        nx.set_node_attributes(graph, {node: "CN"[node % 2] for node in range(size)}, "kind")
        written.append(path / ("rings" if label else "paths") / f"{number:02}.graphml")
        written[-1].parent.mkdir(parents=True, exist_ok=True)
        nx.write_graphml(graph, written[-1])
    return written


def _write_tu(path: Path) -> list[Path]:
    made, first = _rings_and_paths(), 1
    rows: dict[str, list[list[Any]]] = {"A": [], "graph_indicator": [], "graph_labels": [], "node_labels": []}
    for number, (size, label, edges) in enumerate(made, start=1):
        rows["A"] += [[a + first, b + first] for a, b in edges]
        rows["graph_indicator"] += [[number]] * size
        rows["graph_labels"].append([label])
        rows["node_labels"] += [[node % 2] for node in range(size)]
        first += size
    return [_rows(path / f"{path.name}_{part}.txt", content) for part, content in rows.items()]


def _write_ogb(path: Path) -> list[Path]:
    nodes, edges = _people()
    content: dict[str, list[list[Any]]] = {
        "raw/edge": [edge[:2] for edge in edges], "raw/node-feat": [[node[3] / 100] for node in nodes],
        "raw/node-label": [[int(node[1] == "rowing")] for node in nodes],
        "raw/num-node-list": [[len(nodes)]], "raw/num-edge-list": [[len(edges)]],
    }  # fmt: skip
    for file, part in (("train", "train"), ("valid", "val"), ("test", "test")):
        content[f"split/random/{file}"] = [[place] for place, node in enumerate(nodes) if node[2] == part]
    written = []
    for name, rows in content.items():
        place = path / f"{name}.csv.gz"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(gzip.compress("".join(",".join(map(str, row)) + "\n" for row in rows).encode(), mtime=0))
        written.append(place)
    return written


def _rows(path: Path, rows: Iterable[Iterable[Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


# kind of example -> suffix of its path ("" is a folder) -> what writes it
GRAPH_EXAMPLES: dict[str, dict[str, Callable[[Path], list[Path]]]] = {
    "graph": {
        "": _write_tables, ".graphml": _write_networkx, ".gml": _write_networkx, ".json": _write_networkx,
        ".pt": _write_pyg,
    },
    "graphs": {".txt": _write_text, "": _write_set_tables, ".pt": _write_pyg_set},
    "graph-classes": {"": _write_classes},
    "graph-tu": {"": _write_tu},
    "graph-ogb": {"": _write_ogb},
}  # fmt: skip
