"""What a tracker hears equals history.csv and metrics.json, also after an interruption."""

import csv
import json
import time

import pytest

from graphreel.experiments import resume, start
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.training import trackers


@pytest.fixture
def trained(tmp_path, monkeypatch):
    for name in ("MLFLOW_TRACKING_URI", "WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)

    def train(log, interrupted=False):
        settings = GnnSettings.resolve("six-node", {"epochs": 4, "seeds": 2, "log": log, "checkpoint_every": 0.0})
        if interrupted:
            monkeypatch.setattr(f"graphreel.training.trackers.{interrupted}.finished", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                start(settings, tmp_path / "run", quiet=True)
            monkeypatch.undo()
            return resume(tmp_path / "run", quiet=True)
        return start(settings, tmp_path / "run", quiet=True)

    return train


def history(run, column):
    rows = csv.DictReader(run.history_path.read_text().splitlines())
    return {(int(row["seed"]), int(row["step"])): pytest.approx(float(row[column]), rel=1e-6) for row in rows}


def test_tensorboard(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = trained("tensorboard")
    seen = {}
    for seed in (0, 1):
        events = EventAccumulator(str(run.path / "tensorboard" / f"seed-{seed}")).Reload()
        seen |= {(seed, event.step): event.value for event in events.Scalars("val_loss")}
    assert seen == history(run, "val_loss")
    whole = EventAccumulator(str(run.path / "tensorboard")).Reload()
    assert "curves" in whole.Tags()["images"] and "settings/text_summary" in whole.Tags()["tensors"]


@pytest.mark.parametrize("interrupted", ["", "MLflow"])
def test_mlflow(trained, interrupted):
    from mlflow.tracking import MlflowClient

    run = trained("mlflow", interrupted)
    client = MlflowClient((run.path / "mlruns").as_uri())
    (found,) = client.search_runs([client.get_experiment_by_name("graphreel").experiment_id])
    metrics = {
        (seed, one.step): one.value
        for seed in (0, 1)
        for one in client.get_metric_history(found.info.run_id, f"seed {seed}/val_loss")
    }
    assert metrics == history(run, "val_loss")
    assert found.data.params["epochs"] == "4"
    assert found.data.metrics["test_accuracy"] == json.loads(run.metrics_path.read_text())["test_accuracy"]["mean"]
    assert {file.path for file in client.list_artifacts(found.info.run_id)} == {
        "config.json",
        "metrics.json",
        "curves.png",
    }


def payload(file):
    """What LevelDB's log format holds: blocks of 32 KiB, in them pieces behind a crc, a length and a kind."""
    content, at, pieces = file.read_bytes(), 7, []
    while at + 7 <= len(content):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        length = int.from_bytes(content[at + 4 : at + 6], "little")
        pieces.append(content[at + 7 : at + 7 + length])
        at += 7 + length
    return b"".join(pieces)


def test_wandb_offline(trained):
    run = trained("wandb")
    (file,) = run.path.glob("wandb/offline-run-*/*.wandb")
    content, until = payload(file), time.monotonic() + 60
    while not content and time.monotonic() < until:  # wandb's own process writes it
        time.sleep(0.2)
        content = payload(file)
    for (seed, _), value in history(run, "val_loss").items():
        assert f"seed {seed}/val_loss".encode() in content and str(value.expected)[:6].encode() in content


def test_a_missing_package_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"--log wandb needs the extra `track`.*pip install 'graphreel\[track\]'"):
        start(GnnSettings.resolve("six-node", {"log": "wandb"}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
