"""A sweep looks at the validation part alone, goes on where it was killed, and tests its winner once."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.nodes import Nodes
from graphreel.experiments.sweep import search_space, sweep

SPACE = "learning_rate=1e-4..1e-1:log,hidden=4|8"


@pytest.fixture
def settings():
    return GnnSettings.resolve("six-node", {"model": "gcn", "epochs": 10, "seeds": 2})


def trials(out):
    return list(csv.DictReader((out / "trials.csv").read_text().splitlines()))


def test_the_best_validation_is_trained_and_the_test_part_touched_once_a_seed(settings, tmp_path, monkeypatch):
    tested = []
    evaluate = Nodes.evaluate
    monkeypatch.setattr(Nodes, "evaluate", lambda self, task: tested.append(task.seed) or evaluate(self, task))
    best = sweep(settings, search_space([SPACE], settings.options()), tmp_path / "s", 5, None, None, True)
    assert tested == [0, 1]
    rows = [row for row in trials(tmp_path / "s") if row["state"] == "complete"]
    winner = min(rows, key=lambda row: float(row["validation"]))
    assert best.config()["learning_rate"] == float(winner["learning_rate"])
    assert best.config()["hidden"] == int(winner["hidden"]) and len(best.metrics()["seeds"]) == 2
    assert (tmp_path / "s" / "history.png").exists() and (tmp_path / "s" / "importance.png").exists()


@pytest.mark.parametrize("name", ["trials.csv", "config.json", "best/mine.txt"])
def test_a_folder_that_is_no_study_is_left_alone(settings, tmp_path, name):
    place = tmp_path / "mine" / name
    place.parent.mkdir(parents=True)
    place.write_text("mine")
    with pytest.raises(ValueError, match=r"--out expects a new folder or one of a study, but .* holds "):
        sweep(settings, search_space([SPACE], settings.options()), tmp_path / "mine", 1, None, None, True)
    assert [path.read_text() for path in (tmp_path / "mine").rglob("*") if path.is_file()] == ["mine"]
    with pytest.raises(ValueError, match="the study at nonsense://x cannot be opened: "):
        sweep(settings, search_space([SPACE], settings.options()), tmp_path / "s", 1, None, "nonsense://x", True)


def test_a_killed_sweep_goes_on(settings, tmp_path):
    typed = ["sweep", "gnn", "--data", "six-node", "--tune", SPACE, "--set", "model=gcn,epochs=3", "--quiet"]
    command = [sys.executable, "-m", "graphreel", *typed, "--out", str(tmp_path / "s")]
    first = subprocess.Popen([*command, "--trials", "1000"])
    while not (tmp_path / "s" / "trials.csv").exists() or len(trials(tmp_path / "s")) < 3:
        assert first.poll() is None
        time.sleep(0.1)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    before = len([row for row in trials(tmp_path / "s") if row["state"] != "running"])
    subprocess.run([*command, "--trials", str(before + 3)], check=True)
    ended = [row for row in trials(tmp_path / "s") if row["state"] != "running"]
    assert before + 3 <= len(ended) <= before + 4  # one may have ended between the last row and the kill
    assert json.loads((tmp_path / "s" / "best" / "metrics.json").read_text())["seeds"]


@pytest.mark.parametrize(
    ("tune", "said"),
    [
        ("hiden=4..8", "did you mean hidden"),
        ("hidden", "--tune expects SETTING=A..B"),
        ("weight_decay=0..1:log", "above 0 with :log"),
        ("hidden=8..4", "from low to high"),
        ("hidden=4|x", "--hidden expects a value of type int, got 'x'"),
        ("dropout=0.1|7", "dropout"),
        ("", "at least one setting"),
    ],
)
def test_what_cannot_be_tuned_is_one_sentence(settings, tune, said):
    with pytest.raises(ValueError, match=said.replace("(", r"\(").replace("|", r"\|")):
        search_space([tune], settings.options())
