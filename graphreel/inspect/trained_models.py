"""Trained models of the room combined, read back from their run folders."""

from pathlib import Path
from typing import Any

from torch import nn

from graphreel.combined import ClipClassifier, LinearForecast
from graphreel.experiments.clip_models import build_classifier
from graphreel.experiments.combined_settings import ClipSettings, SeriesSettings
from graphreel.experiments.series_model import SeriesModel, build_forecaster
from graphreel.training.run_folder import RunFolder


def open_run(path: Path) -> RunFolder:
    """A run of this room; of a comparison, the run of the model that has both networks."""
    run = RunFolder.open(path, "combined")
    return RunFolder.open(run.path / "both", "combined") if run.config().get("kind") == "compare" else run


def load_classifier(run: RunFolder) -> tuple[ClipClassifier, ClipSettings, dict[str, Any]]:
    """The clip classifier of a run folder, its settings and its checkpoint.

    Raises:
        FileNotFoundError: it has no checkpoint yet.
        ValueError: it holds a run on a series, or its checkpoint does not fit its settings.
    """
    config = run.config()
    if config.get("kind") != "clips":
        raise ValueError(f"{run.path} holds a run on the series {config.get('data')}, but this needs one on clips")
    settings = ClipSettings.from_dict({**config, "device": "cpu"})
    saved = run.load_checkpoint()
    model = build_classifier(
        settings, _entry(run, saved, "num_features"), len(_entry(run, saved, "classes")), saved.get("tracks"),
        saved.get("timeless"),
    )  # fmt: skip
    return _filled(run, model, saved), settings, saved


def load_forecaster(run: RunFolder) -> tuple[SeriesModel, SeriesSettings, dict[str, Any]]:
    """The forecaster of a run folder, its settings and its checkpoint.

    Raises:
        FileNotFoundError: it has no checkpoint yet.
        ValueError: its checkpoint does not fit its settings.
    """
    settings = SeriesSettings.from_dict({**run.config(), "device": "cpu"})
    saved = run.load_checkpoint()
    features, known = _entry(run, saved, "features"), _entry(run, saved, "linear")
    linear = None
    if known is not None:
        linear = LinearForecast(known["lags"], settings.horizon, features, known["inputs"], known["nodes"])
    model = build_forecaster(settings, features, len(_entry(run, saved, "nodes")), linear)
    return _filled(run, model, saved), settings, saved


def _entry(run: RunFolder, saved: dict[str, Any], name: str) -> Any:
    if name not in saved:
        raise ValueError(f"{run.checkpoint_path} lacks {name}: it is not the checkpoint of config.json's run")
    return saved[name]


def _filled(run: RunFolder, model: Any, saved: dict[str, Any]) -> Any:
    assert isinstance(model, nn.Module)
    try:
        model.load_state_dict(saved["model"])
    except (KeyError, RuntimeError, AttributeError, TypeError):
        raise ValueError(f"{run.checkpoint_path} does not fit the model of config.json") from None
    return model.eval()
