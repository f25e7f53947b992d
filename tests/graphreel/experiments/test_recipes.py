"""Recipes: settings by one name, the training on several draws, and what does not go with it."""

import pytest
import torch
import torch.nn.functional as F

from graphreel.__main__ import run
from graphreel.data import load
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.graph_target import Classes, Numbers
from graphreel.experiments.nodes import Nodes


def settings(**typed):
    return GnnSettings.resolve("karate", {"device": "cpu", "recipe": "consistency", **typed})


@pytest.mark.parametrize("model", ["gcn", "gat"])
def test_typed_options_come_before_the_recipe_and_that_before_the_preset(model):
    found, values = settings(model=model, draws=2), GnnSettings.RECIPES[f"consistency, {model}"]
    assert {**values, "draws": 2} == {name: getattr(found, name) for name in values}
    assert found.heads == GnnSettings.resolve("karate", {"model": model}).heads


def test_attention_has_a_dropout_of_its_own_where_one_is_given():
    for given, dropped in (({}, 0.2), ({"attention_dropout": 0.0}, 0.0), ({"recipe": "", "dropout": 0.3}, 0.3)):
        task = Nodes.on(load("karate"), settings(model="gat", **given)).scheduled(0)
        assert task.model.convs[-1].dropout == dropped


def test_the_loss_of_draws_is_that_of_each_and_their_distance_from_the_sharpened_mean():
    answers = torch.randn(3, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 3, 1, 2, 0])
    apart = torch.stack([F.cross_entropy(answer, labels) for answer in answers]).mean()
    torch.testing.assert_close(Classes(4).loss(answers, labels), apart)
    sharp = torch.stack([answer.softmax(-1) for answer in answers]).mean(0).square()
    sharp /= sharp.sum(-1, keepdim=True)
    apart = sum((answer.softmax(-1) - sharp).square().sum(-1).mean() for answer in answers) / 3
    torch.testing.assert_close(Classes.disagreement(answers, 0.5), apart)
    numbers = answers[..., :1]
    torch.testing.assert_close(Numbers.disagreement(numbers, 0.5), numbers.var(0, correction=0).mean())


@pytest.mark.parametrize("model", ["gcn", "gat", "gatv2"])
def test_isolated_nodes_and_rows_without_words_train(model):
    graph = load("karate")
    graph.edge_index = graph.edge_index[:, (graph.edge_index != 0).all(0)]
    graph.x[:5] = 0
    experiment = Nodes.on(graph, settings(model=model))
    task = experiment.scheduled(0)
    loss = task.loss(task.batch(0))
    loss.backward()
    assert all(bool(p.grad.isfinite().all()) for p in task.model.parameters())
    task.model.eval()
    assert 0 <= experiment.evaluate(task)["test_accuracy"] <= 1


def test_a_seed_is_the_same_whatever_was_trained_before_it(tmp_path):
    import json

    rows = []
    for name, seeds in (("both", ["--seeds", "2"]), ("alone", ["--seed", "1"])):
        assert run(["gnn", "train", "--data", "karate", "--recipe", "consistency", "--epochs", "5", *seeds,
                    "--out", str(tmp_path / name), "--quiet"]) == 0  # fmt: skip
        rows.append(json.loads((tmp_path / name / "metrics.json").read_text())["seeds"][-1])
    assert rows[0] | {"seconds": 0} == rows[1] | {"seconds": 0}


def test_what_a_recipe_refuses(capsys):
    common = ["gnn", "train", "--recipe", "consistency", "--data"]
    assert run([*common, "alkanes"]) == 2
    assert (
        "--recipe consistency expects one graph, whose nodes are learned, got the set alkanes"
        in capsys.readouterr().err
    )
    assert run([*common, "karate", "--task", "link"]) == 2
    assert "--draws of more than one expects the nodes of one graph" in capsys.readouterr().err
    assert run([*common, "karate", "--draws", "1"]) == 2
    assert "--consistency expects --draws of at least 2, got 1" in capsys.readouterr().err
    assert run(["gnn", "train", "--data", "karate", "--recipe", "consistensy"]) == 2
    assert "--recipe expects one of consistency" in capsys.readouterr().err
