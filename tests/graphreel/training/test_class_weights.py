"""Weights of classes, by their counts or from a file, and the figures that tell classes apart."""

import json

import pytest
import torch
from sklearn.metrics import f1_score, roc_auc_score

from graphreel.__main__ import run
from graphreel.training.class_weights import class_weights
from graphreel.training.metrics import test_figures as figures_of

LABELS = torch.tensor([0, 0, 0, 1])


def test_balanced_classes_count_alike():
    weights = class_weights("balanced", LABELS, ["a", "b"])
    torch.testing.assert_close(weights * LABELS.bincount(), torch.tensor([2.0, 2.0]))
    assert class_weights("", LABELS, ["a", "b"]) is None


@pytest.mark.parametrize(("name", "text"), [("w.csv", "class,weight\nb,3\na,0.5\n"), ("w.json", '{"b": 3, "a": 0.5}')])
def test_weights_of_a_file(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert class_weights(str(tmp_path / name), LABELS, ["a", "b"]).tolist() == [0.5, 3]
    with pytest.raises(ValueError, match=f"{name} weighs a, b, but the classes are a, c"):
        class_weights(str(tmp_path / name), LABELS, ["a", "c"])


def test_bad_weights_are_refused(tmp_path):
    (tmp_path / "w.json").write_text('{"a": -1, "b": 1}')
    with pytest.raises(ValueError, match=r"w.json expects a positive number for every class"):
        class_weights(str(tmp_path / "w.json"), LABELS, ["a", "b"])
    (tmp_path / "w.json").write_text("[1")
    with pytest.raises(ValueError, match=r"w.json is no table of class and weight"):
        class_weights(str(tmp_path / "w.json"), LABELS, ["a", "b"])
    with pytest.raises(FileNotFoundError, match="--class-weights expects balanced or a file, got heavy"):
        class_weights("heavy", LABELS, ["a", "b"])


@pytest.mark.parametrize("classes", [2, 4])
def test_f1_and_auroc_are_those_of_scikit_learn(classes):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(60, classes, generator=generator).round(decimals=1)
    labels = torch.randint(classes, (60,), generator=generator)
    found, shares = figures_of(logits, labels), logits.double().softmax(1).numpy()
    assert found["test_f1"] == pytest.approx(f1_score(labels, logits.argmax(1), average="macro"))
    scores = shares[:, 1] if classes == 2 else shares
    assert found["test_auroc"] == pytest.approx(roc_auc_score(labels, scores, multi_class="ovr"))
    assert figures_of(logits[:1], labels[:1])["test_auroc"] is None


def test_weights_change_what_is_learned(tmp_path):
    (tmp_path / "w.json").write_text('{"boils lower": 1000, "boils higher": 1}')
    command = ["gnn", "train", "--data", "alkanes", "--members", "1", "--no-blend", "--epochs", "10", "--seeds", "1"]
    assert run([*command, "--class-weights", str(tmp_path / "w.json"), "--out", str(tmp_path / "run"), "--quiet"]) == 0
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert all(row[1] == 0 for row in metrics["confusion"]) and 0 < metrics["test_f1"]["mean"] < 0.5
