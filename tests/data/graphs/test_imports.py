"""The citation graph of installed modules: resolution on a made-up package, properties on the real one."""

import ast
import importlib
import sys

import pytest
import torch

from graphreel import data
from graphreel.data.graphs import imports
from graphreel.data.graphs.graph_metrics import bag_of_words_accuracy, describe, edge_homophily, majority_accuracy
from graphreel.data.graphs.import_graph import Library
from graphreel.data.graphs.module_source import read_module, split_words

FILES = {
    "zoo/__init__.py": "from zoo.cats import *\nfrom .dogs import Dog as Hound\nfrom . import birds\nraise SystemExit",
    "zoo/cats/__init__.py": "from zoo.cats.lion import *\nfrom zoo.cats.tiger import Tiger\n",
    "zoo/cats/lion.py": "class Lion: pass\n",
    "zoo/cats/tiger.py": "from ..dogs import Dog\ntry:\n    class Tiger: pass\nexcept Exception: pass\n",
    "zoo/dogs.py": "from .birds import sing\nclass Dog: pass\n",
    "zoo/birds.py": "def sing(): pass\n",
    "zoo/a.py": "import zoo\nzoo.Lion; zoo.birds.sing; zoo.nothing",
    "zoo/b.py": "from zoo import Hound, Tiger",
    "zoo/c.py": "def late():\n    import zoo.birds\n    from zoo.cats import lion as king",
    "zoo/d.py": "from zoo import cats as k\nk.Tiger()",
    "zoo/e.py": "import os.path\nfrom numpy import array\nfrom zoo import missing",
    "zoo/circle/__init__.py": "from zoo.circle.back import round_trip",
    "zoo/circle/back/__init__.py": "from zoo.circle import round_trip",
    "zoo/f.py": "from zoo.circle import round_trip",
    "zoo/broken.py": "def (",
}
CITED = {
    "zoo.a": {"zoo.cats.lion", "zoo.birds"},
    "zoo.b": {"zoo.dogs", "zoo.cats.tiger"},
    "zoo.c": {"zoo.birds", "zoo.cats.lion"},
    "zoo.d": {"zoo.cats.tiger"},
    "zoo.e": set(),
    "zoo.f": set(),
    "zoo.dogs": {"zoo.birds"},
    "zoo.cats.tiger": {"zoo.dogs"},
    "zoo.broken": set(),
}


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return Library(["zoo", "not_installed_anywhere"])


@pytest.mark.parametrize("name", CITED)
def test_imports_are_followed_to_the_defining_module(zoo, name):
    cited = {found for found in zoo.cited_by(name) if not zoo.is_package(found)}
    assert cited == CITED[name]
    assert "zoo" not in sys.modules


def test_words_are_of_summaries_and_names(tmp_path):
    path = tmp_path / "m.py"
    path.write_text('"""Prime numbers.\n\nHidden."""\nclass SieveTable:\n  def next_prime(self): "Step on."\nx = 1')
    assert sorted(read_module(path, "m").words) == sorted(split_words("Prime numbers Sieve Table next prime Step on"))
    assert split_words("isConnected_graph of 3 xs") == ["is", "connected", "graph", "of", "xs"]


def test_tiny_bodies_and_every_statement_are_walked(tmp_path):
    path = tmp_path / "m.py"
    path.write_text(
        "if x:\n    import a\nelse:\n    from b import c\nwith y: import d.e as f\n"
        "match z:\n    case 1:\n        from . import g\nlambda: a.h.i\n"
    )
    module = read_module(path, "top.m")
    assert module.imported == {("a", None), ("b", "c"), ("d.e", None), ("top", "g")}
    assert ("a", "h", "i") in module.chains


@pytest.fixture(scope="module")
def graph():
    return data.load("imports")


def test_shape_of_the_real_graph(graph):
    assert graph.num_nodes > 1000 and graph.num_edges > 2000
    assert len(graph.class_names) == int(graph.y.max()) + 1 >= 10
    assert len(graph.node_names) == len(set(graph.node_names)) == graph.num_nodes
    assert graph.x.shape[1] == len(graph.words) <= 1000
    for name, label in zip(graph.node_names[::50], graph.y[::50].tolist(), strict=True):
        assert name.startswith(graph.class_names[label] + ".")
    assert torch.equal(graph.y[graph.train_mask].bincount(), torch.full((len(graph.class_names),), 20))
    assert not (graph.train_mask & graph.val_mask).any() and not (graph.val_mask & graph.test_mask).any()
    assert graph.test_mask.sum() <= 1000 and graph.val_mask.sum() <= 500


def test_an_edge_goes_from_the_importing_module(graph):
    conv, base = (graph.node_names.index(f"torch_geometric.nn.conv.{m}") for m in ("gcn_conv", "message_passing"))
    edges = set(map(tuple, graph.edge_index.t().tolist()))
    assert (conv, base) in edges  # through `from torch_geometric.nn.conv import MessagePassing`
    assert (base, conv) not in edges


def test_a_module_does_not_hold_the_words_of_its_path_or_label(graph):
    words = {word: column for column, word in enumerate(graph.words)}
    for name, row in zip(graph.node_names, graph.x, strict=True):
        assert not any(row[words[word]] for word in split_words(name) if word in words)
    assert not {"sparse", "stats", "networkx", "scipy", "sklearn", "torch", "dataset", "datasets"} & set(words)


def test_the_graph_is_more_than_its_words(graph):
    figures = describe(graph)
    assert 0.55 < figures["homophily"] < 0.9
    assert figures["baselines"]["majority"] < 0.4
    assert 0.5 < figures["baselines"]["bag_of_words"] < 0.8
    assert sum(figures["classes"].values()) == figures["nodes"] == graph.num_nodes


def test_options_and_determinism(graph):
    again = data.load("imports", sparse_features=True)
    assert again.x.layout == torch.sparse_csr and torch.equal(again.x.to_dense(), graph.x)
    assert torch.equal(again.edge_index, graph.edge_index) and torch.equal(again.test_mask, graph.test_mask)
    other = data.load("imports", seed=1, undirected=True, normalize_features=False)
    assert not torch.equal(other.train_mask, graph.train_mask)
    assert other.is_undirected() and not graph.is_undirected()
    assert torch.equal(other.x, other.x.round()) and other.x.max() > 1


def test_nothing_is_imported_and_the_second_load_reads_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(imports, "SUBJECTS", ["networkx.generators", "networkx.readwrite"])
    before = set(sys.modules)
    first = data.load("imports")
    assert not {name for name in set(sys.modules) - before if name.startswith("networkx")}
    monkeypatch.setattr(ast, "parse", lambda *args, **kwargs: pytest.fail("parsed again"))
    assert torch.equal(data.load("imports").edge_index, first.edge_index)


def test_too_few_sources(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(imports, "SUBJECTS", ["networkx.generators", "networkx.nothing"])
    with pytest.raises(ValueError, match=r"imports needs the source of two subpackages, but finds"):
        data.load("imports")


def test_figures_by_hand():
    six = data.load("six-node")
    assert edge_homophily(six) == pytest.approx(4 / 6)
    assert majority_accuracy(six) == 0.5
    assert bag_of_words_accuracy(six) == 0.5  # one-hot features say nothing of other nodes
