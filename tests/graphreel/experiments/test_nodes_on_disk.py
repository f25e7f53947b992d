"""What is trained and told from a packed graph is what the graph in memory gives."""

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from graphreel.data import open_graph
from graphreel.data.graphs.on_disk.pack import pack
from graphreel.experiments import start
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.nodes import Nodes
from graphreel.experiments.nodes_on_disk import NodesOnDisk
from graphreel.inspect.graph_predictions import embed, predict
from graphreel.training.run_folder import RunFolder

NODES = 300
QUICK = {"neighbors": "4,3", "epochs": 3, "batch_size": 20, "seeds": 1, "patience": 0}


@pytest.fixture
def graph(tmp_path, monkeypatch):
    """A directed weighted multigraph, packed; its name is the path from here, so that configurations agree."""
    monkeypatch.chdir(tmp_path)
    draw = torch.Generator().manual_seed(0)
    y = torch.arange(NODES) % 3
    data = Data(edge_index=torch.randint(NODES, (2, 2000), generator=draw), y=y)
    data.x = torch.randn(NODES, 5, generator=draw) + y[:, None]
    data.edge_weight = torch.rand(2000, generator=draw)
    torch.save(data, "data.pt")
    pack("data.pt", tmp_path / "GRAPH")
    return open_graph("GRAPH")


def settings(**more):
    return GnnSettings.resolve("GRAPH", {**QUICK, "device": "cpu", **more})


def history(run):
    rows = run.load_checkpoint()["history"]
    return [[row[name] for name in ("train_loss", "val_loss", "val_accuracy")] for row in rows]


@pytest.mark.parametrize("model", ["gcn", pytest.param("gat", marks=pytest.mark.slow)])
def test_a_training_from_the_disk_is_that_from_memory(graph, tmp_path, model):
    chosen = settings(model=model, workers=0)
    memory = RunFolder(tmp_path / "memory").begin({"room": "gnn", **chosen.as_dict()})
    expected = Nodes.on(graph.in_memory(), chosen).fit(memory, quiet=True)
    run = RunFolder(tmp_path / "run").begin({"room": "gnn", **chosen.as_dict()})
    found = NodesOnDisk.on(graph, chosen).fit(run, quiet=True)
    np.testing.assert_allclose(history(run), history(memory), rtol=1e-4)
    assert found["baselines"] == pytest.approx(expected["baselines"], abs=0.02)
    assert found["test_accuracy"]["mean"] == pytest.approx(expected["test_accuracy"]["mean"], abs=0.02)


@pytest.mark.slow
def test_processes_that_read_ahead_change_nothing_and_a_resumed_run_is_the_same(graph, tmp_path):
    runs = [start(settings(workers=count), tmp_path / str(count), quiet=True) for count in (0, 2)]
    assert history(runs[0]) == history(runs[1])
    assert not [path for path in runs[1].path.iterdir() if path.name.startswith(".")]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["", "regression"])
def test_predictions_are_those_of_the_graph_in_memory(graph, tmp_path, task):
    run = start(settings(task=task, workers=0), tmp_path / "run", quiet=True)
    torch.save(graph.in_memory(), "whole.pt")
    told = [predict(run.path, data, tmp_path / f"{data}.csv").splitlines()[-3:-1] for data in ("GRAPH", "whole.pt")]
    if not task:
        assert told[0] == told[1]
    tables = [(tmp_path / f"{data}.csv").read_text().splitlines() for data in ("GRAPH", "whole.pt")]
    assert tables[0][0] == tables[1][0] and len(tables[0]) == len(tables[1]) == NODES + 1
    numbers = [[[float(field) for field in row.split(",")[2 - bool(task) :]] for row in table[1:]] for table in tables]
    np.testing.assert_allclose(numbers[0], numbers[1], rtol=1e-3, atol=1e-5)
    for name in ("GRAPH", "whole.pt"):
        embed(run.path, name, tmp_path / f"{name}.npy")
    np.testing.assert_allclose(
        *(np.load(tmp_path / f"{name}.npy") for name in ("GRAPH", "whole.pt")), rtol=1e-3, atol=1e-5
    )
    predict(run.path, "GRAPH", tmp_path / "p.npy")
    assert np.load(tmp_path / "p.npy").shape == (NODES, 1 if task else 3)


def test_what_needs_the_whole_graph_says_so(graph):
    for flags in ({"undirected": True}, {"degrees": True}):
        with pytest.raises(ValueError, match=r"reads the whole graph: leave --neighbors out"):
            NodesOnDisk.on(graph, settings(**flags))
    graph.features.arrays.pop("y")
    with pytest.raises(ValueError, match="has no labels to learn: pack it with --y"):
        NodesOnDisk.on(graph, settings())
