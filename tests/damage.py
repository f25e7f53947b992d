"""Small valid files of every format, what reads them, and ways to damage them: for test_damaged_files.py."""

import gzip
import io
import json
import pickle
import random
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch_geometric.data import Data

import graphreel
from graphreel import gnn
from graphreel.data.describe_data import describe_data
from graphreel.data.examples import write_example

_TOKENS = (
    "", "x", "-1", "0", "1e20", "1e400", "nan", "-inf", "2147483647", "9223372036854775808", "9" * 400, "0.5", "[]",
    "{}", "null", '"', ",", ";", "\n", "\r", "\0", "1e-400", "١", "<a>", "&#0;", "true", "2024-02-30", "[[[[[[[[",
)  # fmt: skip
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_ZIPS, _GZIPS = {".npz", ".pt"}, {".gz"}


def damaged(content: bytes, suffix: str, draw: random.Random) -> bytes:
    """A change of a file, or of one member of an archive, whose checksum is then right again."""
    if suffix in _ZIPS and draw.random() < 0.7:
        return _in_zip(content, draw)
    if suffix in _GZIPS and draw.random() < 0.7:
        return gzip.compress(_changed(gzip.decompress(content), draw))
    return _changed(content, draw)


def _in_zip(content: bytes, draw: random.Random) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(out, "w") as other:
        names = archive.namelist()
        chosen, how = draw.choice(names), draw.random()
        for name in names:
            inside = archive.read(name)
            if name != chosen:
                other.writestr(name, inside)
            elif how < 0.8:
                other.writestr(name, _changed(inside, draw))
            elif how < 0.9:
                other.writestr(name.removesuffix(".npy"), inside)
    return out.getvalue()


def _changed(content: bytes, draw: random.Random) -> bytes:
    kind = draw.randrange(6)
    if not content:
        return bytes(draw.randrange(256) for _ in range(draw.randrange(9)))
    at = draw.randrange(len(content))
    if kind == 0:
        return content[:at]
    if kind == 1:
        changed = bytearray(content)
        for _ in range(draw.randint(1, 6)):
            changed[draw.randrange(len(changed))] = draw.randrange(256)
        return bytes(changed)
    if kind == 2:
        length = draw.randint(1, 1 + len(content) // 3)
        return content[:at] + content[at + length :]
    if kind == 3:
        return content[: at + 1] + content[max(0, at - draw.randint(1, 200)) :]
    if kind == 4:
        return content[:at] + draw.choice(_TOKENS).encode() + content[at:]
    numbers = list(_NUMBER.finditer(content))
    for match in sorted(draw.sample(numbers, min(len(numbers), draw.randint(1, 3))), key=lambda m: -m.start()):
        content = content[: match.start()] + draw.choice(_TOKENS).encode() + content[match.end() :]
    return content


def _series(path: Path) -> None:
    write_example("series", path)


def _array(path: Path) -> np.ndarray:
    return np.random.default_rng(0).normal(50, 5, (200, 3)).round(2)


def _table(path: Path) -> Any:
    import pandas

    frame = pandas.DataFrame(_array(path), columns=["a", "b", "c"])
    frame.insert(0, "time", pandas.date_range("2024-01-01", periods=200, freq="h"))
    return frame


def _h5(path: Path) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        group = file.create_group("df")
        group["axis0"], group["axis1"] = np.array([b"a", b"b", b"c"]), np.arange(200) * 300 * 10**9
        group["axis1"].attrs["kind"] = np.bytes_(b"datetime64")
        group["block0_values"] = _array(path)


def _json(content: Any) -> Callable[[Path], Any]:
    return lambda path: path.write_text(json.dumps(content))


_VALUES = (np.arange(80)[:, None] % 7 + np.arange(3) + 0.5).tolist()
_EDGES = [[0, 1], [1, 2], [2, 0]]
TEMPORAL = {
    "static": {"FX": _VALUES, "edges": _EDGES, "weights": [1, 2, 0.5], "node_ids": {"a": 0, "b": 1, "c": 2}},
    "changing": {
        "y": _VALUES,
        "edge_mapping": {
            "edge_index": {str(t): _EDGES for t in range(80)},
            "edge_weight": {str(t): [1, 2, 3] for t in range(80)},
        },
    },
    "steps": {"time_periods": 80, "edges": _EDGES, **{str(t): {"y": row} for t, row in enumerate(_VALUES)}},
    "links": {
        "nodes": [{"id": n, "y": [row[k] for row in _VALUES]} for k, n in enumerate("abc")],
        "links": [{"source": "a", "target": "b", "weight": 2}, {"source": "b", "target": "c", "weight": 1}],
    },
}
NODE_LINK = {
    "directed": False, "multigraph": False, "graph": {},
    "nodes": [{"id": n, "y": n % 2, "age": n + 0.5} for n in range(20)],
    "edges": [{"source": n, "target": (n + 2) % 20, "weight": 2} for n in range(20)],
}  # fmt: skip


def _networkx(path: Path) -> None:
    import networkx

    graph = networkx.path_graph(20)
    for node in graph:
        graph.nodes[node].update(y=node % 2, age=node + 0.5)
    write = networkx.write_graphml if path.suffix == ".graphml" else networkx.write_gml
    write(graph, path)


def _pt(path: Path) -> None:
    edge_index = torch.tensor(_EDGES * 5).t() + torch.arange(5).repeat_interleave(3) * 3
    torch.save(Data(x=torch.randn(15, 2), edge_index=edge_index, y=torch.arange(15) % 2), path)


def _gz(path: Path) -> None:
    """The edges of OGB's folder."""
    rows = "".join(f"{n},{(n + 2) % 20}\n" for n in range(20))
    for name, text in (
        ("edge.csv.gz", rows),
        ("num-node-list.csv.gz", "20\n"),
        ("num-edge-list.csv.gz", "20\n"),
        ("node-feat.csv.gz", "".join(f"{n},0.5\n" for n in range(20))),
        ("node-label.csv.gz", "".join(f"{n % 2}\n" for n in range(20))),
    ):
        (path.parent / name).write_bytes(gzip.compress(text.encode()))


def _planetoid(path: Path) -> None:
    """Twelve nodes of two classes: x, y the training part, tx, ty the test part, allx, ally all but the test part."""
    features = scipy.sparse.csr_matrix(np.eye(12, 4, dtype=np.float32))
    labels = np.eye(2, dtype=np.int32)[np.arange(12) % 2]
    parts = {
        "x": features[:4], "y": labels[:4], "allx": features[:9], "ally": labels[:9], "tx": features[9:],
        "ty": labels[9:], "graph": {n: [(n + 2) % 12, (n + 4) % 12] for n in range(12)},
    }  # fmt: skip
    for name, value in parts.items():
        (path.parent / f"ind.toy.{name}").write_bytes(pickle.dumps(value, protocol=2))
    (path.parent / "ind.toy.test.index").write_text("9\n10\n11\n")


def _pickled(path: Path) -> None:
    (torch.save if path.suffix == ".pt" else lambda thing, p: p.write_bytes(pickle.dumps(thing)))(
        gnn.GATConv(2, 2), path
    )


def _config(path: Path) -> None:
    content = {
        ".toml": 'data = "six-node"\nepochs = 3\nlr = 0.01\nmodel = "gat"\n',
        ".yaml": "data: six-node\nepochs: 3\nlr: 0.01\nmodel: gat\n",
        ".json": '{"data": "six-node", "epochs": 3, "learning_rate": 0.01, "model": "gat"}',
    }
    path.write_text(content[path.suffix])


def _adjacency_of(file: Path) -> Any:
    series = file.parent / "own.csv"
    if not series.exists():
        write_example("series", series)
        (file.parent / "own_adj.csv").unlink()
    return graphreel.data.load(series, adjacency=str(file))


def _read_config(file: Path) -> Any:
    from graphreel.cli.config_file import read_config
    from graphreel.experiments.graph_settings import GnnSettings

    typed = read_config(file, {"gnn": GnnSettings})
    return GnnSettings.resolve(typed.pop("data", "six-node"), typed)


def _folder_of(file: Path) -> Any:
    return describe_data(file.parent)


def _example(kind: str) -> Callable[[Path], Any]:
    def write(path: Path) -> None:
        if kind != "graph":
            write_example(kind, path)
            return
        path.parent.rmdir()
        write_example(kind, path.parent)

    return write


def _matrix(path: Path) -> None:
    names = ["north", "middle", "south"]
    content = names, {name: number for number, name in enumerate(names)}, np.ones((3, 3), dtype=np.float32)
    path.write_bytes(pickle.dumps(content, protocol=2))


def _video(path: Path) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for number in range(8):
            picture = np.full((32, 32, 3), 30 * number, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def _frames(path: Path) -> Any:
    from graphreel.data.clips.video_files import read_frames

    return read_frames(path, 8, 32)


def _run(file: Path) -> Any:
    """A run folder is described by its config.json; its weights are read from checkpoint.pt."""
    return graphreel.load_run(file.parent)


def _trained(path: Path) -> None:
    from graphreel.experiments import start
    from graphreel.experiments.graph_settings import GnnSettings

    path.parent.rmdir()
    settings = GnnSettings.resolve("six-node", {"epochs": 2, "hidden": 4, "device": "cpu"})
    start(settings, path.parent, quiet=True)


# name of the file -> what writes it, and what reads it
FORMATS: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any]]] = {
    "series.csv": (_example("series"), describe_data),
    "series.tsv": (lambda path: _table(path).to_csv(path, sep="\t", index=False), describe_data),
    "long.csv": (lambda path: _table(path).melt("time").to_csv(path, index=False), describe_data),
    "series.parquet": (lambda path: _table(path).to_parquet(path), describe_data),
    "series.h5": (_h5, describe_data),
    "series.npy": (lambda path: np.save(path, _array(path)), describe_data),
    "series.npz": (lambda path: np.savez(path, data=_array(path)), describe_data),
    **{f"{name}.json": (_json(content), describe_data) for name, content in TEMPORAL.items()},
    "matrix.csv": (
        lambda p: p.write_text(",north,middle,south\nnorth,0,1,0\nmiddle,1,0,2\nsouth,0,1,0"),
        _adjacency_of,
    ),
    "edges_adj.csv": (lambda p: p.write_text("source,target,weight\nnorth,middle,1\nsouth,north,2.5"), _adjacency_of),
    "places_adj.csv": (lambda p: p.write_text("id,lat,lon\nnorth,1,2\nmiddle,1,3\nsouth,2.5,3"), _adjacency_of),
    "matrix.pkl": (_matrix, _adjacency_of),
    "clips.npz": (_example("clips"), describe_data),
    **{f"labelled{suffix}": (_example("sequences"), describe_data) for suffix in (".csv", ".tsv", ".jsonl", ".npz")},
    "graphs.txt": (_example("graphs"), describe_data),
    "nodes.csv": (_example("graph"), _folder_of),
    "edges.csv": (_example("graph"), _folder_of),
    "graph.graphml": (_networkx, describe_data),
    "graph.gml": (_networkx, describe_data),
    "link.json": (_json(NODE_LINK), describe_data),
    "graph.pt": (_pt, describe_data),
    "edge.csv.gz": (_gz, _folder_of),
    "node-label.csv.gz": (_gz, _folder_of),
    **{f"ind.toy.{part}": (_planetoid, _folder_of) for part in ("allx", "ty", "graph", "test.index")},
    "book.txt": (_example("text"), describe_data),
    "video.avi": (_video, _frames),
    "model.pkl": (_pickled, graphreel.load_pickle),
    "model.pt": (_pickled, graphreel.load_pickle),
    "config.toml": (_config, _read_config),
    "config.yaml": (_config, _read_config),
    "config.json": (_config, _read_config),
    "run/config.json": (_trained, _run),
    "run/checkpoint.pt": (_trained, _run),
}
