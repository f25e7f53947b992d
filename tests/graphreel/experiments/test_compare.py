import json

import numpy as np
import pytest
import torch

from graphreel.__main__ import run
from graphreel.combined import NodeLayers, parameters_of
from graphreel.data import load
from graphreel.experiments import compare as combined_compare
from graphreel.experiments.clip_models import build_classifier
from graphreel.experiments.clip_settings import ClipSettings, CompareSettings
from graphreel.experiments.clips import collate
from graphreel.experiments.compare import confusions, not_told_apart, table
from graphreel.inspect import clip_attention as combined_attention


@pytest.fixture
def compared(tmp_path, monkeypatch, capsys):
    few = load("digits", train=16, validation=8, test=16)
    monkeypatch.setattr(combined_compare, "load_clips", lambda _: few)
    out = tmp_path / "run"
    typed = ["--hidden", "16", "--epochs", "1", "--seeds", "2", "--out", str(out)]
    assert run(["combined", "compare", "--data", "digits", *typed]) == 0
    return out, capsys.readouterr().out


def test_compare_writes_what_callers_rely_on(compared):
    out, text = compared
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics["models"]) == {"both", "gnn", "rnn"} and len(metrics["classes"]) == 8
    budget = metrics["models"]["both"]["parameters"]
    for name, model in metrics["models"].items():
        assert model["parameters"] == pytest.approx(budget, rel=0.1)
        assert set(model["test_accuracy"]) == {"mean", "std"} and len(model["seeds"]) == 2
        counts = np.array(model["confusion"])
        assert counts.shape == (8, 8) and counts.sum() == 2 * 16
        assert np.trace(counts) / counts.sum() == pytest.approx(model["test_accuracy"]["mean"])
        part = json.loads((out / name / "metrics.json").read_text())
        assert part["test_accuracy"] == model["test_accuracy"]
    assert (out / "compare.png").stat().st_size > 20_000
    assert all(word in text for word in ("GNN alone", "RNN alone", "both", "parameters", "takes for each other"))


def test_a_comparison_goes_on_and_its_whole_model_predicts(compared, capsys):
    out, _ = compared
    (out / "metrics.json").unlink()
    before = (out / "both" / "checkpoint.pt").stat().st_mtime_ns
    assert run(["combined", "compare", "--resume", str(out), "--quiet"]) == 0
    assert (out / "metrics.json").exists() and (out / "both" / "checkpoint.pt").stat().st_mtime_ns == before
    assert run(["combined", "train", "--resume", str(out)]) == 2
    assert "resume it with that command" in capsys.readouterr().err
    assert run(["combined", "predict", str(out), str(out / "compare.png")]) == 2
    assert "trained on digits" in capsys.readouterr().err


def test_attention_of_the_graph_network_alone_has_the_edges_that_it_saw(compared, monkeypatch):
    out, _ = compared
    few = load("digits", train=16, validation=8, test=16)
    monkeypatch.setattr(combined_attention, "load_clips", lambda _: few)
    assert run(["combined", "attention", str(out / "gnn"), "3"]) == 0
    numbers = json.loads((out / "gnn" / "attention-3.json").read_text())
    clip = few.test[3]
    loops = {(node, node) for node in range(len(clip.x))}
    seen = set(map(tuple, clip.undirected().edge_index.t().tolist())) | loops
    assert {(edge["source"], edge["target"]) for edge in numbers["edges"]} == seen
    into = np.zeros(len(clip.x))
    for edge in numbers["edges"]:
        into[edge["target"]] += edge["weight"]
    assert into == pytest.approx(np.ones(len(clip.x)), abs=1e-3)


@pytest.mark.parametrize("option", ["--spatial", "--temporal"])
def test_a_comparison_needs_both_kinds_of_layers(tmp_path, capsys, option):
    out = tmp_path / "run"
    assert run(["combined", "compare", "--data", "digits", option, "none", "--out", str(out)]) == 2
    assert f"{option} none leaves nothing to compare" in capsys.readouterr().err and not out.exists()


def test_keypoints_are_compared_with_the_model_that_train_has(tmp_path):
    settings = ClipSettings.resolve("x.npz", {}, "keypoints")
    trained = build_classifier(settings, 38, 14, 15, None)
    timeless = torch.arange(34)
    sides = {
        name: build_classifier(CompareSettings.resolve("x.npz", {"compared": name}, "keypoints"), 38, 14, 15, timeless)
        for name in ("both", "rnn", "gnn")
    }
    shapes = [{key: value.shape for key, value in model.state_dict().items()} for model in (trained, sides["both"])]
    assert shapes[0] == shapes[1]
    sizes = [parameters_of(model) for model in sides.values()]
    assert max(sizes) / min(sizes) < 1.1
    assert isinstance(sides["rnn"].spatial, NodeLayers) and sides["rnn"].spatial.norm is not None
    assert sides["gnn"].temporal is None and sides["gnn"].front is None and sides["gnn"].spatial.norm is not None


def test_pairs_that_are_taken_for_each_other():
    confusion = np.array([[50, 50, 0], [40, 60, 0], [0, 10, 90]])
    found = not_told_apart(confusion, ["a", "b", "c"])
    assert found == [{"classes": ["a", "b"], "confused": 0.45}]


def test_a_model_that_tells_all_pairs_apart_names_the_one_it_confuses_most():
    one = {"test_accuracy": {"mean": 0.9, "std": 0.0}, "parameters": 7, "seeds": [1]}
    sides = {}
    for name, wrong in (("both", 0), ("gnn", 30), ("rnn", 10)):
        confusion = np.array([[100, 0], [2 * wrong, 100 - 2 * wrong]])
        sides[name] = one | {
            "not_told_apart": not_told_apart(confusion, ["a", "b"]),
            "most_confused": confusions(confusion, ["a", "b"])[0],
        }
    rows = table({"models": sides, "baselines": {"majority": 0.5}}).splitlines()
    assert [row.split("7  ")[1] for row in rows[1:4]] == ["none", "a / b 30 %", "none (most: a / b 10 %)"]


def test_the_graph_network_alone_sees_neither_direction_nor_time():
    splits = load("digits", train=8, validation=8, test=8)
    settings = ClipSettings("digits", compared="gnn", device="cpu")
    clip = splits.train[0]
    batch = collate([clip], settings, torch.tensor([0, 2]))
    assert batch.x.shape == (len(clip.x), 2) and clip.x.size(1) == 67
    pairs = set(map(tuple, batch.edge_index.t().tolist()))
    assert pairs == {(b, a) for a, b in pairs}


def test_a_series_cannot_be_compared(tmp_path, capsys):
    (tmp_path / "s.csv").write_text("1,2\n3,4\n")
    assert run(["combined", "compare", "--data", str(tmp_path / "s.csv")]) == 2
    assert "is a series" in capsys.readouterr().err


def test_people_are_compared_with_and_without_the_edges_between_them(tmp_path, capsys):
    random = np.random.default_rng(0)
    file, out = tmp_path / "pairs.npz", tmp_path / "run"
    labels, groups = ["a", "b"] * 9, np.repeat(np.arange(6), 3)
    np.savez(file, keypoints=random.normal(size=(18, 4, 2, 15, 2)), labels=np.array(labels), groups=groups)
    typed = ["--hidden", "4", "--epochs", "1", "--seeds", "1", "--frames", "4", "--folds", "3", "--out", str(out)]
    assert run(["combined", "compare", "--data", str(file), *typed]) == 0
    metrics = json.loads((out / "metrics.json").read_text())
    assert list(metrics["models"]) == ["both", "gnn", "rnn", "apart"]
    own = [[row["test_accuracy"] for row in metrics["models"][name]["seeds"]] for name in ("both", "apart")]
    found = np.subtract(*own)
    assert metrics["differences"]["apart"] == pytest.approx(
        {"mean": found.mean(), "standard_error": found.std(ddof=1) / 3**0.5}
    )
    assert "edges between people: " in capsys.readouterr().out
    clip = load(str(file)).train[0]
    apart = collate([clip], ClipSettings(str(file), compared="apart", device="cpu"), None)
    between = (clip.track[clip.edge_index] // 15).diff(dim=0).abs().sum()
    assert between > 0 and apart.edge_index.size(1) == clip.edge_index.size(1) - between
