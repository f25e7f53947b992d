"""Sets of graphs are learned by several networks and a blend; numbers and links are learned too."""

import csv
import json
import random

import pytest
import torch

from graphreel.__main__ import run
from graphreel.data import load
from graphreel.data.graphs.neighbourhoods import neighbourhood_counts
from graphreel.experiments.graph_ensemble import GraphEnsemble
from graphreel.inspect.load_run import load_run


def trained(folder, *arguments):
    assert run(["gnn", "train", *arguments, "--out", str(folder / "run"), "--quiet"]) == 0
    return json.loads((folder / "run" / "metrics.json").read_text())


def predicted(folder, data):
    assert run(["gnn", "predict", str(folder / "run"), data]) == 0
    return list(csv.DictReader((folder / "run" / "predictions.csv").read_text().splitlines()))


def test_the_blend_of_a_run_is_read_back_as_it_was(tmp_path, capsys):
    metrics = trained(tmp_path, "--data", "alkanes", "--epochs", "3", "--seeds", "2", "--members", "2")
    rows = metrics["seeds"]
    assert all(sum(row["shares"]) == pytest.approx(1) for row in rows)
    assert set(metrics["baselines"]) == {"majority", "random_forest", "logistic_regression"}
    best = max(rows, key=lambda row: load_run(tmp_path / "run").entries["best_run"]["seed"] == row["seed"])
    tested = list(load("alkanes").folds())[best["fold"]][2].tolist()
    answers = [int(row["class"] == "boils higher") for row in predicted(tmp_path, "alkanes")]
    same = [answers[graph] == int(load("alkanes")[graph].y) for graph in tested]
    assert sum(same) / len(same) == pytest.approx(best["test_accuracy"])


def test_shares_are_those_of_least_loss_on_what_was_held_out():
    model = GraphEnsemble([], torch.zeros(4, 1), torch.zeros(4), 2, 1)
    labels = torch.tensor([0, 1, 0, 1])
    right, wrong = torch.eye(2)[labels] * 0.8 + 0.1, torch.eye(2)[1 - labels] * 0.8 + 0.1
    unsure = torch.full((4, 2), 0.5)
    blend = model.blend([wrong, right, unsure, unsure], labels)
    assert model.shares.tolist() == [0, 1, 0, 0] and torch.equal(blend.argmax(1), labels)


def test_neighbourhoods_tell_what_degrees_do_not():
    """A ring of six whose marked nodes are near or apart; neither order nor batch changes what is counted."""
    ring = torch.tensor([[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 0]])
    both = torch.cat([ring, ring.flip(0)], dim=1)
    near, apart = torch.eye(2)[[1, 1, 0, 0, 0, 0]], torch.eye(2)[[1, 0, 0, 1, 0, 0]]
    alone = torch.zeros(6, dtype=torch.int64)
    first, other = (neighbourhood_counts(x, both, alone, 1) for x in (near, apart))
    assert not torch.equal(first, other) and first.sum() == 12
    order = torch.tensor([3, 4, 5, 0, 1, 2])
    assert torch.equal(neighbourhood_counts(near[order], order.argsort()[both], alone, 1), first)
    together = neighbourhood_counts(
        torch.cat([near, apart]), torch.cat([both, both + 6], dim=1), torch.arange(2).repeat_interleave(6), 2
    )
    assert torch.equal(together, torch.cat([first, other]))


def test_a_baseline_that_wins_is_named(tmp_path, capsys):
    assert run(["data", "example", "graphs", "--out", str(tmp_path / "g.txt")]) == 0
    capsys.readouterr()
    assert run(["gnn", "train", "--data", str(tmp_path / "g.txt"), "--epochs", "1", "--seeds", "1", "--lr", "1e-6",
                "--no-blend", "--members", "1", "--out", str(tmp_path / "run")]) == 0  # fmt: skip
    assert "warning: random forest reaches 100.0 % on the test part, this model" in capsys.readouterr().out


def numbers(folder, offset=50.0, size=120):
    """A ring whose nodes tell the sum of their own and their neighbours' feature."""
    draw = random.Random(0)
    own = [draw.gauss(0, 1) for _ in range(size)]
    edges = [(node, (node + step) % size) for node in range(size) for step in (1, -1)]
    (folder / "reg").mkdir()
    told = [offset + 5 * (own[node - 1] + own[node] + own[(node + 1) % size]) for node in range(size)]
    rows = [f"n{node},{told[node]:.3f},{own[node]:.3f}" for node in range(size)]
    (folder / "reg" / "nodes.csv").write_text("id,target,f\n" + "\n".join(rows) + "\n")
    (folder / "reg" / "edges.csv").write_text("source,target\n" + "\n".join(f"n{a},n{b}" for a, b in edges) + "\n")
    return str(folder / "reg"), told


@pytest.mark.parametrize("offset", [50, 1e8])
def test_numbers_of_nodes_are_learned_from_their_neighbours(tmp_path, offset):
    path, told = numbers(tmp_path, offset)
    metrics = trained(tmp_path, "--data", path, "--task", "regression", "--dropout", "0", "--input-dropout", "0",
                      "--epochs", "120")  # fmt: skip
    assert metrics["test_mae"]["mean"] < 0.7 * min(metrics["baselines"].values())
    error = [abs(float(row["value"]) - y) for row, y in zip(predicted(tmp_path, path), told, strict=True)]
    assert sum(error) / len(error) < 0.7 * metrics["baselines"]["mean"]


def test_numbers_of_graphs(tmp_path):
    graphs = ["20"]
    for size in range(3, 23):
        graphs.append(f"{size} {10 * size}")
        graphs += [f"{node % 2} 2 {(node - 1) % size} {(node + 1) % size}" for node in range(size)]
    (tmp_path / "rings.txt").write_text("\n".join(graphs) + "\n")
    path = str(tmp_path / "rings.txt")
    metrics = trained(
        tmp_path, "--data", path, "--task", "regression", "--epochs", "3", "--seeds", "1", "--members", "2"
    )
    assert metrics["test_mae"]["mean"] < metrics["baselines"]["mean"]
    values = [float(row["value"]) for row in predicted(tmp_path, path)]
    assert values[-1] > values[0] + 50


def test_links_are_told_and_foretold(tmp_path):
    metrics = trained(tmp_path, "--data", "karate", "--task", "link", "--epochs", "30", "--decoder", "mlp")
    assert set(metrics["baselines"]) == {"common_neighbours", "adamic_adar"} and metrics["test_ap"]["mean"] > 0.5
    graph = load("karate")
    names = [[graph.node_names[node] for node in pair] for pair in graph.edge_index.t().tolist()]
    rows = predicted(tmp_path, "karate")
    assert rows and all([row["source"], row["target"]] not in names for row in rows)
    shares = [float(row["probability"]) for row in rows]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--data", "alkanes", "--task", "link"], "--task link does not fit alkanes, which is a set of graphs"),
        (["--data", "six-node", "--task", "graph"], "--task graph does not fit six-node, which is one graph"),
        (["--data", "alkanes", "--task", "regression"], "alkanes has no number to learn"),
        (["--data", "six-node", "--pool", "median"], "--pool expects sum, mean, max, or several joined by +"),
    ],
)
def test_tasks_that_do_not_fit_are_refused(capsys, arguments, sentence):
    assert run(["gnn", "train", *arguments]) == 2
    assert sentence in capsys.readouterr().err
