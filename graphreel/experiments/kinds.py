"""The kinds of training: one more is a line here. torch stays unimported until `experiment` is asked for."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from graphreel.training.run_folder import RunFolder


@dataclass(frozen=True)
class Kind:
    """A kind of training.

    Attributes:
        room: whose command it is.
        on: what it trains on, in words.
        settings_place, experiment_place: module:class inside this package.
    """

    room: str
    on: str
    settings_place: str
    experiment_place: str

    @property
    def settings(self) -> Any:
        """The class of its settings."""
        return _found(self.settings_place)

    @property
    def experiment(self) -> Any:
        """The `Experiment`."""
        return _found(self.experiment_place)


KINDS = {
    "gnn": Kind("gnn", "a graph", "graph_settings:GnnSettings", "nodes_or_graphs:NodesOrGraphs"),
    "task": Kind("rnn", "a sequence task", "task_settings:TaskSettings", "sequences:Sequences"),
    "text": Kind("rnn", "a text", "text_settings:TextSettings", "text:Text"),
    "clips": Kind("combined", "clips", "clip_settings:ClipSettings", "clips:Clips"),
    "series": Kind("combined", "a series", "series_settings:SeriesSettings", "series:Series"),
    "compare": Kind("combined", "clips, compared", "clip_settings:CompareSettings", "compare:Comparison"),
}


def kind_of_settings(settings: Any) -> str:
    """The kind of training that such settings are of."""
    return next(name for name, kind in KINDS.items() if kind.settings_place.endswith(f":{type(settings).__name__}"))


def kind_of_run(run: RunFolder) -> str:
    """The kind of training that a run folder holds.

    Raises:
        ValueError: config.json names none.
    """
    config = run.config()
    kind = str(config.get("kind") or config.get("room"))
    if kind not in KINDS:
        raise ValueError(f"{run.config_path} expects one of the kinds {', '.join(KINDS)}, got {kind!r}")
    return kind


def _found(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"graphreel.experiments.{module}"), name)
