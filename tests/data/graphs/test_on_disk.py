"""Packing graphs of every source, opening them, and sampling from them as from memory."""

import gzip
from pathlib import Path

import numpy as np
import pandas
import pytest
import torch
from torch_geometric.data import Data
from torch_geometric.loader import NodeLoader

from graphreel.data import DiskGraph, NeighborSampler, load, neighbor_loader, open_graph
from graphreel.data.graphs.on_disk import edge_streams, external_sort
from graphreel.data.graphs.on_disk.pack import pack

NODES, EDGES = 500, 4000


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """A directed multigraph with a node that half the edges enter, cut into small chunks and ranges."""
    random = np.random.default_rng(0)
    edges = random.integers(0, NODES, (2, EDGES))
    edges[1, ::2] = 7
    edges[:, -1] = NODES - 1
    x, y = random.normal(size=(NODES, 6)).astype(np.float16), random.integers(0, 3, NODES)
    for name, array in (("edges", edges), ("x", x), ("y", y)):
        np.save(tmp_path / f"{name}.npy", array)
    monkeypatch.setattr(edge_streams, "CHUNK", 300)
    return tmp_path, edges, x, y


def by_target(edges):
    order = np.argsort(edges[1], kind="stable")
    return order, edges[0][order], np.bincount(edges[1], minlength=NODES)


def check_edges(graph, edges):
    order, source, degree = by_target(edges)
    np.testing.assert_array_equal(graph.edges.source, source)
    np.testing.assert_array_equal(np.diff(graph.edges.start), degree)
    return order


def packed(raw, **more):
    folder = raw[0]
    pack(str(folder / "edges.npy"), folder / "graph", folder / "x.npy", folder / "y.npy", **more)
    return open_graph(folder / "graph")


def test_pack_sorts_by_target_and_keeps_all_rows(raw):
    graph = packed(raw, parts=3)
    check_edges(graph, raw[1])
    assert graph.edges.source.dtype == graph.edges.start.dtype == np.int32
    np.testing.assert_array_equal(graph.features.arrays["x"], raw[2])
    assert torch.equal(graph.features.rows("y", torch.tensor([3, 1])), torch.from_numpy(raw[3])[[3, 1]])
    assert graph.manifest.parts == [0, 166, 333, 500]
    assert sum(graph.part(part).numel() for part in ("train", "val", "test")) == NODES
    assert sorted(path.name for path in raw[0].iterdir()) == ["edges.npy", "graph", "x.npy", "y.npy"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv.gz", ".txt", ".parquet"])
def test_tables_of_edges_in_any_order_of_columns(raw, suffix):
    folder, edges, _, _ = raw
    path = folder / f"list{suffix}"
    frame = pandas.DataFrame({"weight": np.arange(EDGES) / 8, "target": edges[1], "source": edges[0]})
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="," if suffix == ".csv" else "\t")
    pack(str(path), folder / "graph")
    graph = open_graph(folder / "graph")
    order = check_edges(graph, edges)
    np.testing.assert_array_equal(graph.edges.of_edges["edge_weight"], order / 8)
    batch = next(iter(neighbor_loader(graph, [-1], torch.tensor([7]), batch_size=1)))
    np.testing.assert_array_equal(batch.edge_weight, order[edges[1][order] == 7] / 8)


@pytest.mark.parametrize("kind", ["words", "far"])
def test_names_of_nodes_are_numbered_and_kept(raw, kind):
    folder, edges, _, _ = raw
    names = [f"Straße {n}" for n in range(NODES)] if kind == "words" else [str(10**12 + n) for n in range(NODES)]
    text = "# from a crawl\n" + "".join(f"{names[a]}\t{names[b]}\n" for a, b in edges.T)
    (folder / "list.txt").write_text(text, encoding="utf-8")
    pack(str(folder / "list.txt"), folder / "graph")
    graph = open_graph(folder / "graph")
    own = graph.names(0, graph.num_nodes)
    target = np.repeat(np.arange(graph.num_nodes), np.diff(graph.edges.start))
    found = sorted((own[a], own[b]) for a, b in zip(graph.edges.source, target, strict=True))
    assert found == sorted((names[a], names[b]) for a, b in edges.T)


def test_a_folder_of_ogb(raw):
    folder, edges, x, y = raw
    tables = {"edge": edges.T, "node-feat": x, "node-label": y[:, None], "num-node-list": [[NODES]]}
    tables |= {"num-edge-list": [[EDGES]]}
    split = {"train": np.arange(100), "valid": np.arange(100, 200), "test": np.arange(200, NODES)}
    for name, table in tables.items():
        write_gz(folder / "ogbn" / "raw" / f"{name}.csv.gz", table)
    for name, rows in split.items():
        write_gz(folder / "ogbn" / "split" / "time" / f"{name}.csv.gz", rows[:, None])
    pack(str(folder / "ogbn"), folder / "graph")
    graph, memory = open_graph(folder / "graph"), load(folder / "ogbn")
    check_edges(graph, edges)
    for name in ("x", "y", "train_mask", "val_mask", "test_mask"):
        torch.testing.assert_close(graph.features.rows(name), memory[name])


def write_gz(path, table):
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as file:
        pandas.DataFrame(table).to_csv(file, header=False, index=False)


def test_a_graph_in_memory_and_back(raw):
    data = Data(x=torch.randn(4, 3), edge_index=torch.tensor([[0, 1, 2, 0], [3, 2, 0, 2]]), y=torch.arange(4) % 2)
    data.edge_attr = torch.arange(8.0).view(4, 2)
    torch.save(data, raw[0] / "data.pt")
    pack(str(raw[0] / "data.pt"), raw[0] / "graph")
    back = open_graph(raw[0] / "graph").in_memory()
    assert back.edge_index.tolist() == [[2, 1, 0, 0], [0, 2, 2, 3]]
    assert back.edge_attr.tolist() == [[4, 5], [2, 3], [6, 7], [0, 1]]
    assert torch.equal(back.x, data.x) and torch.equal(back.y, data.y)


@pytest.mark.parametrize("replace", [False, True])
def test_samples_are_those_of_the_graph_in_memory(raw, replace):
    graph = packed(raw)
    data = Data(edge_index=torch.from_numpy(raw[1]), x=torch.from_numpy(raw[2]).float(), num_nodes=NODES)
    seeds, how = torch.arange(0, NODES, 9), {"batch_size": 20, "replace": replace}
    pair = (graph.features, graph.edges)
    loaders = [neighbor_loader(source, [4, 3], seeds, generator=torch.Generator().manual_seed(1), **how)
               for source in (data, graph, pair)]  # fmt: skip
    for memory, *mapped in zip(*loaders, strict=True):
        for batch in mapped:
            assert torch.equal(batch.n_id, memory.n_id) and torch.equal(batch.edge_index, memory.edge_index)
            assert batch.x.dtype == torch.float16 and torch.equal(batch.x.float(), memory.x)
            assert torch.equal(batch.y[:20], torch.from_numpy(raw[3])[batch.n_id][:20])


def test_workers_share_the_maps(raw):
    graph = packed(raw)
    sampler = NeighborSampler((graph.features, graph.edges), [3])
    loader = NodeLoader((graph.features, graph.edges), sampler, torch.arange(40), batch_size=10, num_workers=2)
    for batch in loader:
        assert torch.equal(batch.x, torch.from_numpy(raw[2])[batch.n_id])


def test_a_damaged_file_is_named(raw):
    packed(raw)
    file = raw[0] / "graph" / "x.npy"
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)
    DiskGraph(raw[0] / "graph")
    with pytest.raises(ValueError, match=r"x\.npy is damaged: its checksum"):
        open_graph(raw[0] / "graph")
    file.write_bytes(content[:-1])
    with pytest.raises(ValueError, match=r"x\.npy has 6,127 bytes, expected 6,128"):
        DiskGraph(raw[0] / "graph")
    (raw[0] / "graph" / "graph.json").write_text("{}")
    with pytest.raises(ValueError, match=r"graph\.json of .* does not say"):
        DiskGraph(raw[0] / "graph")


def test_an_interrupted_packing_goes_on(raw, monkeypatch):
    sort, calls = external_sort._order, []

    def fail(key, count):
        calls.append(count)
        if len(calls) == 5:
            raise OSError(28, "No space left on device")
        return sort(key, count)

    monkeypatch.setattr(external_sort, "_order", fail)
    monkeypatch.setattr(external_sort.sort_by_target, "__defaults__", (200, lambda what, done: None))
    with pytest.raises(OSError, match="No space"):
        packed(raw)
    assert not (raw[0] / "graph").exists()
    check_edges(packed(raw), raw[1])
    assert len(calls) == 5 + len(calls[5:]) and len(calls) < 20  # the first four ranges are not sorted again


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x", np.full((NODES, 2), np.nan), "holds NaN or infinity in row 0"),
        ("x", np.zeros((3, 2)), "--y has 500 rows, but|--x has 3 rows, but"),
        ("y", np.zeros((NODES, 2), int), "expected one label a node"),
        ("edges", np.zeros((3, 5), int), "expected whole numbers \\[2, edges\\]"),
        ("edges", np.array([[0, 1], [-1, 2]]), "holds node -1"),
        ("edges", np.array([[0, 1], [900, 2]]), "holds node 900, but --x has 500 rows"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(raw, name, content, said):
    np.save(raw[0] / f"{name}.npy", content)
    with pytest.raises(ValueError, match=said):
        packed(raw)
    assert {path.name for path in raw[0].iterdir()} == {"edges.npy", "x.npy", "y.npy"}


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".csv", ".pt"])
def test_splits(raw, suffix):
    folder, parts = raw[0], np.arange(NODES) % 4
    path: Path = folder / f"splits{suffix}"
    names = {"train": parts == 0, "valid": parts == 1, "test": parts == 2}
    if suffix == ".npz":
        np.savez(path, **names)
    elif suffix == ".npy":
        np.save(path, parts)
    elif suffix == ".csv":
        pandas.DataFrame({"node": np.arange(NODES), "split": [[*names, ""][part] for part in parts]}).to_csv(path)
    else:
        torch.save({name: torch.from_numpy(np.flatnonzero(mask)) for name, mask in names.items()}, path)
    graph = packed(raw, splits=path)
    for part, mask in zip(("train", "val", "test"), names.values(), strict=True):
        np.testing.assert_array_equal(graph.part(part), np.flatnonzero(mask))
