"""Planetoid's raw files: equal to PyG's own reader, cached, and safe against pickles that are programs."""

import builtins
import os
import pickle
import socket
import tracemalloc
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch
from torch_geometric.io import read_planetoid_data
from torch_geometric.transforms import NormalizeFeatures

from graphreel import data
from graphreel.data.data_dirs import cache_folder
from graphreel.data.graphs import planetoid
from graphreel.data.graphs.restricted_pickle import read_pickle

FIELDS = ("x", "edge_index", "y", "train_mask", "val_mask", "test_mask")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write_raw(folder: Path, name: str = "toy", protocol: int = 2, gap: bool = False) -> Path:
    """Ten nodes: 2 for training, 6 with 4 words in all before the test nodes 7, 6, 9 (and 8, unless it is left out)."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    test = [7, 6, 9] if gap else [7, 6, 9, 8]
    allx = scipy.sparse.csr_matrix(rng.integers(0, 3, (6, 4)).astype(np.float64))
    tx = scipy.sparse.csr_matrix(rng.integers(1, 3, (len(test), 4)).astype(np.float32))
    one_hot = np.eye(3, dtype=np.int32)
    ally, ty = one_hot[[0, 1, 2, 0, 1, 2]], one_hot[[2, 1, 1, 0][: len(test)]]
    graph = defaultdict(list, {3: [0, 3, 9, 9], 0: [3, 1], 1: [0], 9: [3, 7], 7: [9]})
    parts = {"x": allx[:2], "y": ally[:2], "allx": allx, "ally": ally, "tx": tx, "ty": ty, "graph": graph}
    for part, value in parts.items():
        (folder / f"ind.{name}.{part}").write_bytes(pickle.dumps(value, protocol=protocol))
    (folder / f"ind.{name}.test.index").write_text("".join(f"{node}\n" for node in test))
    return folder


def assert_same_graph(ours, theirs):
    for field in FIELDS:
        if field != "val_mask" or theirs[field].size(0) == ours[field].size(0):
            assert torch.equal(ours[field], theirs[field]), field
            assert ours[field].dtype == theirs[field].dtype, field


@pytest.mark.skipif(
    not (Path(os.environ.get("GRAPHREEL_DATA", "/nowhere")) / "Cora/raw").is_dir(),
    reason="$GRAPHREEL_DATA/Cora/raw is missing",
)
def test_cora_equals_pygs_own_reader():
    folder = os.path.join(os.environ["GRAPHREEL_DATA"], "Cora", "raw")
    theirs = read_planetoid_data(folder, "cora")
    assert_same_graph(data.load("cora", normalize_features=False), theirs)
    assert_same_graph(data.load("cora", normalize_features=False), theirs)  # from the cache
    assert_same_graph(data.load("cora"), NormalizeFeatures()(theirs))
    assert torch.equal(data.load(folder, normalize_features=False, sparse_features=True).x.to_dense(), theirs.x)
    sizes = dict(zip(data.load("cora").class_names, theirs.y.bincount().tolist(), strict=True))
    assert sizes["Neural Networks"] == 818 and sizes["Rule Learning"] == 180


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("gap", [False, True])
def test_toy_files_equal_pygs_own_reader(tmp_path, monkeypatch, protocol, gap):
    name = "citeseer" if gap else "toy"  # PyG fills gaps for CiteSeer alone
    folder = write_raw(tmp_path / "raw", name, protocol, gap)
    monkeypatch.setattr("torch_geometric.io.planetoid.index_to_mask", _mask_within)
    theirs = read_planetoid_data(str(folder), name)
    assert_same_graph(data.load(tmp_path, normalize_features=False), theirs)
    if gap:
        assert theirs.x[8].sum() == 0 and not data.load(tmp_path).test_mask[8]


def _mask_within(index: torch.Tensor, size: int) -> torch.Tensor:
    """PyG takes 500 nodes for validation and fails where there are fewer: here, those before the test nodes."""
    mask = torch.zeros(size, dtype=torch.bool)
    mask[index if index.numel() != 500 else index[index < 6]] = True
    return mask


def test_features_are_normalised_by_row_on_request(tmp_path):
    write_raw(tmp_path)
    counts = data.load(tmp_path, normalize_features=False).x
    expected = counts / counts.sum(1, keepdim=True).clamp(min=1)
    assert torch.equal(data.load(tmp_path).x, expected)
    sparse = data.load(tmp_path, sparse_features=True)
    assert sparse.x.layout == torch.sparse_csr and sparse.num_nodes == 10 and sparse.num_features == 4
    assert torch.equal(sparse.x.to_dense(), expected)


def test_cache_follows_the_files_and_survives_damage(tmp_path, monkeypatch):
    folder = write_raw(tmp_path / "raw")
    first = data.load(folder)
    (cached,) = cache_folder().glob("planetoid/toy-*.pt")
    with monkeypatch.context() as patch:
        patch.setattr(planetoid, "read_planetoid", lambda files: pytest.fail("read again"))
        assert_same_graph(data.load(folder), first)
    cached.write_bytes(b"not a checkpoint")
    assert_same_graph(data.load(folder), first)
    (folder / "ind.toy.test.index").write_text("6\n7\n9\n8\n")
    assert not torch.equal(data.load(folder).y, first.y)
    assert len(list(cache_folder().glob("planetoid/*"))) == 2  # nothing half-written beside them


def test_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert data.load(write_raw(tmp_path / "raw")).num_nodes == 10


class Hostile:
    def __init__(self, function, argument):
        self.call = function, (argument,)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("part", ["x", "allx", "ty", "graph"])
@pytest.mark.parametrize(
    ("function", "command", "named"),
    [
        (os.system, "touch {}", r"(posix|nt)\.system"),
        (builtins.eval, "open({!r}, 'w')", r"builtin.*\.eval"),
        (builtins.exec, "open({!r}, 'w')", r"builtin.*\.exec"),
        (np.load, "{}", r"numpy\.load"),
    ],
)
def test_hostile_pickle_is_refused_and_not_run(tmp_path, part, function, command, named):
    folder, trace = write_raw(tmp_path / "raw"), tmp_path / "trace"
    content = pickle.dumps({0: Hostile(function, command.format(str(trace)))}, protocol=2)
    (folder / f"ind.toy.{part}").write_bytes(content)
    with pytest.raises(ValueError, match=rf"ind\.toy\.{part} is refused: it asks for .*{named}"):
        data.load(folder)
    assert not trace.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cnumpy\nndarray\n(S'x'\ntR.",  # calling what is only a name
        b"cscipy.sparse.csr\ncsr_matrix\n)\x81}S'data'\nI1\nsb.",  # a matrix without indices
        b"cscipy.sparse.csr\ncsr_matrix\n(N}S'todense'\nI1\nstb.",  # an attribute set on the class
        b"I1\n",  # cut off
        b"",
        b"Pname\n.",  # an outside object
    ],
)
def test_damaged_pickle_is_one_sentence_and_leaves_numpy_and_scipy_alone(tmp_path, program):
    folder, todense = write_raw(tmp_path / "raw"), scipy.sparse.csr_matrix.todense
    (folder / "ind.toy.allx").write_bytes(program)
    with pytest.raises(ValueError, match=r"ind\.toy\.allx (is damaged|is refused|holds a)"):
        data.load(folder)
    assert scipy.sparse.csr_matrix.todense is todense


def test_matrix_with_indices_out_of_range_is_refused(tmp_path):
    folder = write_raw(tmp_path / "raw")
    matrix = scipy.sparse.csr_matrix(np.eye(6, 4))
    matrix.indices[0] = 1_000_000
    (folder / "ind.toy.allx").write_bytes(pickle.dumps(matrix, protocol=2))
    with pytest.raises(ValueError, match=r"ind\.toy\.allx is damaged: .*ind"):
        data.load(folder)


def test_numpy_scalars_are_read(tmp_path):
    path = tmp_path / "scalars"
    for protocol in range(6):
        path.write_bytes(pickle.dumps([np.int64(7), np.float32(0.5)], protocol=protocol))
        assert read_pickle(path) == [7, 0.5]


def test_files_that_do_not_fit_one_another(tmp_path):
    folder = write_raw(tmp_path / "raw")
    (folder / "ind.toy.graph").write_bytes(pickle.dumps({0: [10]}))
    with pytest.raises(ValueError, match=r"ind\.toy\.graph holds node 10, but there are 10 nodes"):
        data.load(folder)
    (folder / "ind.toy.graph").write_bytes(pickle.dumps({0: ["a"]}))
    with pytest.raises(ValueError, match=r"ind\.toy\.graph is damaged"):
        data.load(folder)
    (folder / "ind.toy.graph").write_bytes(pickle.dumps([1]))
    with pytest.raises(ValueError, match=r"ind\.toy\.graph holds a list, expected a dictionary"):
        data.load(folder)
    (folder / "ind.toy.test.index").write_text("7\n6\n9\n")
    with pytest.raises(ValueError, match=r"is inconsistent: .*test.index lists 3 nodes from 6"):
        data.load(folder)
    (folder / "ind.toy.test.index").write_text("7\n6\n9\n7\n")
    with pytest.raises(ValueError, match=r"test.index repeats 1 nodes"):
        data.load(folder)
    (folder / "ind.toy.test.index").write_text("seven\n")
    with pytest.raises(ValueError, match=r"ind\.toy\.test\.index is damaged"):
        data.load(folder)
    (folder / "ind.toy.tx").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks ind\.toy\.tx"):
        data.load(folder)


@pytest.mark.parametrize(
    ("part", "value", "sentence"),
    [
        ("test.index", f"{2**64}\n6\n9\n8\n", r"ind\.toy\.test\.index is damaged"),
        ("test.index", f"{2**31 - 2}\n6\n9\n8\n", r"lists node 2147483646, but there are rows for 10"),
        ("graph", {0: [2**64]}, r"ind\.toy\.graph is damaged"),
        ("graph", {2**64: [0]}, r"ind\.toy\.graph is damaged"),
        ("graph", {0: [2**31]}, r"ind\.toy\.graph holds node 2147483648, but there are 10 nodes"),
        ("allx", scipy.sparse.csr_matrix((6, 2**31)), r"allx claims to be 6 x 2147483648, but holds 0 values"),
        ("ally", scipy.sparse.csr_matrix((6, 2**30)), r"ally claims to be 6 x 1073741824, but holds 0 values"),
    ],
)
def test_numbers_that_would_fill_the_memory(tmp_path, part, value, sentence):
    file = write_raw(tmp_path / "raw") / f"ind.toy.{part}"
    file.write_bytes(value.encode() if isinstance(value, str) else pickle.dumps(value, protocol=4))
    tracemalloc.start()
    with pytest.raises(ValueError, match=sentence):
        data.load(tmp_path / "raw")
    assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    tracemalloc.stop()


def test_several_graphs_in_one_folder_need_a_name(tmp_path):
    write_raw(tmp_path, "one")
    write_raw(tmp_path, "two", gap=True)
    with pytest.raises(ValueError, match="holds one, two: expected one, or say name="):
        data.load(tmp_path)
    assert data.load(tmp_path, name="two").name == "two"


@pytest.mark.parametrize("place", ["Cora/raw", "cora/raw", "Planetoid/Cora/raw", "cora"])
def test_places_where_files_are_found(tmp_path, monkeypatch, place):
    monkeypatch.setenv("GRAPHREEL_DATA", str(tmp_path))
    write_raw(tmp_path / place, "cora")
    assert data.load("cora").num_nodes == 10


def test_the_cache_is_searched_after_the_given_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHREEL_DATA", str(tmp_path / "empty"))
    write_raw(cache_folder() / "PubMed" / "raw", "pubmed")
    assert data.load("pubmed").name == "pubmed"


def test_without_network_the_sentence_says_what_to_do(tmp_path, monkeypatch):
    def unreachable(address, timeout):
        assert address == ("github.com", 443) and timeout <= 5
        raise OSError("Network is unreachable")

    monkeypatch.setenv("GRAPHREEL_DATA", str(tmp_path))
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    monkeypatch.setattr("socket.create_connection", unreachable)
    sentence = r"citeseer needs .*ind\.citeseer\.\{x,tx.*CiteSeer/raw: put .*use imports"
    with pytest.raises(FileNotFoundError, match=sentence):
        data.load("citeseer")


def test_only_the_download_is_pygs(tmp_path, monkeypatch):
    """PyG's class is asked for the raw files; its own parsing and its pickled result never run."""

    def download(self):
        write_raw(Path(self.raw_dir), "citeseer", gap=True)

    monkeypatch.setenv("GRAPHREEL_DATA", str(tmp_path / "empty"))
    monkeypatch.setattr("socket.create_connection", lambda *args, **kwargs: socket.socket())
    monkeypatch.setattr("torch_geometric.datasets.Planetoid.download", download)
    monkeypatch.setattr("torch_geometric.datasets.Planetoid.process", lambda self: pytest.fail("parsed by PyG"))
    assert data.load("citeseer").num_nodes == 10
    assert [path.name for path in sorted((cache_folder() / "CiteSeer").iterdir())] == ["raw"]
    assert {path.name for path in cache_folder().iterdir()} == {"CiteSeer", "planetoid"}
