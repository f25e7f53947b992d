"""The kinds of training: one more is a line here. torch stays unimported until `experiment` is asked for."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from graphreel.experiments.clip_settings import ClipSettings, CompareSettings
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.sequence_settings import SequenceSettings
from graphreel.experiments.series_settings import SeriesSettings
from graphreel.experiments.task_settings import TaskSettings
from graphreel.experiments.text_settings import TextSettings
from graphreel.training.run_folder import RunFolder


@dataclass(frozen=True)
class Kind:
    """A kind of training.

    Attributes:
        on: what it trains on, in words.
        settings: the class of its settings.
        place: of its `Experiment`, module:class inside this package.
    """

    on: str
    settings: Any
    place: str

    @property
    def room(self) -> str:
        """Whose command it is."""
        return str(self.settings.ROOM)

    @property
    def experiment(self) -> Any:
        """The `Experiment`."""
        module, _, name = self.place.partition(":")
        return getattr(import_module(f"{__package__}.{module}"), name)


KINDS = {
    "gnn": Kind("a graph", GnnSettings, "nodes_or_graphs:NodesOrGraphs"),
    "task": Kind("a sequence task", TaskSettings, "sequences:Sequences"),
    "sequences": Kind("labelled sequences", SequenceSettings, "labelled_sequences:LabelledSequences"),
    "text": Kind("a text", TextSettings, "text:Text"),
    "clips": Kind("clips", ClipSettings, "clips:Clips"),
    "series": Kind("a series", SeriesSettings, "series:Series"),
    "compare": Kind("clips, compared", CompareSettings, "compare:Comparison"),
}


def kind_of_settings(settings: Any) -> str:
    """The kind of training that such settings are of."""
    return next(name for name, kind in KINDS.items() if kind.settings is type(settings))


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
