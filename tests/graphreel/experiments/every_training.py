"""One tiny training of every kind, and what it leaves that must not depend on when or how it ran."""

import importlib.util
from pathlib import Path
from typing import Any

import torch

from graphreel.experiments.clip_settings import ClipSettings, CompareSettings
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.sequence_settings import SequenceSettings
from graphreel.experiments.series_settings import SeriesSettings
from graphreel.experiments.task_settings import TaskSettings
from graphreel.experiments.text_settings import TextSettings
from graphreel.training.settings import Settings

_CLIPS = {"hidden": 4, "state": 4, "heads": 2, "epochs": 3, "batch_size": 8, "frames": 6, "validation": 0.2}
TRAININGS: dict[str, tuple[type[Settings], str, dict[str, Any]]] = {
    "nodes": (GnnSettings, "six-node", {"epochs": 12, "hidden": 8}),
    "sampled nodes": (GnnSettings, "karate", {"epochs": 3, "neighbors": "3,3", "batch_size": 3}),
    "graphs": (GnnSettings, "alkanes", {"model": "gat", "epochs": 4, "hidden": 8, "heads": 2}),
    "links": (GnnSettings, "karate", {"task": "link", "epochs": 4, "hidden": 8}),
    "task": (TaskSettings, "palindrome", {"length": 3, "steps": 12, "evaluate_every": 5, "hidden": 6, "batch_size": 8}),
    "text": (TextSettings, "book.txt", {"steps": 14, "evaluate_every": 5, "hidden": 6, "batch_size": 4, "window": 10}),
    "sequences": (SequenceSettings, "sentences.csv", {"steps": 12, "evaluate_every": 5, "hidden": 6, "batch_size": 5}),
    "clips": (ClipSettings, "clips.npz", {**_CLIPS, "dropout": 0.2}),
    "compare": (CompareSettings, "clips.npz", {**_CLIPS, "epochs": 2}),
    "series": (SeriesSettings, "sensors.csv", {"epochs": 3, "lags": 4, "horizon": 2, "hidden": 4, "dropout": 0.1}),
    "carried series": (SeriesSettings, "series.json", {"memory": "carried", "season": 12, "epochs": 4, "hidden": 4}),
}


def write_inputs(folder: Path) -> None:
    """The small files that the trainings read."""
    place = Path(__file__).parents[2] / "golden" / "inputs.py"
    spec = importlib.util.spec_from_file_location("golden_inputs", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.write_inputs(folder)


def settings_of(name: str, **more: Any) -> Settings:
    """The settings of a training; its files are in the current folder."""
    settings, data, typed = TRAININGS[name]
    return settings.resolve(data, {**typed, "device": "cpu", "seeds": 1, **more})


def left_by(folder: Path, seed: int | None = None) -> list[Any]:
    """Rows, history and weights of the runs in a folder without times; of one seed, its rows and history alone."""
    found = []
    for path in sorted(folder.rglob("checkpoint.pt")):
        saved = torch.load(path, weights_only=True)
        rows = [row for row in saved["finished"] + saved["history"] if seed in (None, row["seed"])]
        found += [{k: v for k, v in row.items() if k not in ("seconds", "refit_seconds")} for row in rows]
        found += [(key, value.tolist()) for key, value in saved["model"].items()] if seed is None else []
    return found
