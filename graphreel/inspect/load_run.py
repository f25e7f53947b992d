"""`load_run`: a trained model, read back from its run folder."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from graphreel.experiments.kinds import KINDS, kind_of_run
from graphreel.training.run_folder import RunFolder

_DAMAGED = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


@dataclass(frozen=True)
class TrainedRun:
    """A trained model and what belongs to it.

    Attributes:
        folder: the run folder.
        kind: of training: gnn, task, text, clips or series.
        settings: of the training.
        model: with the best weights, on the CPU, in evaluation mode.
        entries: of the checkpoint: what else the training knew (classes, vocabulary, scaling, names of sensors ...).
    """

    folder: RunFolder
    kind: str
    settings: Any
    model: Any
    entries: dict[str, Any]

    def _repr_html_(self) -> str:
        return self.folder._repr_html_()


def load_run(path: Path | str, *kinds: str) -> TrainedRun:
    """The trained model of a run folder; of a comparison, the model that has both networks. No code is run from it.

    Args:
        path: the run folder.
        kinds: those that are expected; none allows all.

    Raises:
        FileNotFoundError: there is no such folder, or it has no checkpoint yet.
        ValueError: it is of another kind, or its checkpoint is damaged or does not fit its settings.
    """
    rooms = {KINDS[kind].room for kind in kinds}
    run = RunFolder.open(Path(path), rooms.pop() if len(rooms) == 1 else None)
    kind = kind_of_run(run)
    if kind == "compare" and (not kinds or "clips" in kinds):
        run, kind = RunFolder.open(run.path / "both"), "clips"
    if kinds and kind not in kinds:
        needed = " or ".join(KINDS[name].on for name in kinds)
        raise ValueError(f"{path} holds a run on {run.config().get('data')}, but this needs one on {needed}")
    settings = replace(KINDS[kind].settings.from_dict(run.config()), device="cpu")
    saved, experiment = run.load_checkpoint(), KINDS[kind].experiment
    missing = [name for name in experiment.needs if name not in saved]
    if missing and kind in ("gnn", "task"):  # runs made before leave it to the data
        saved = {**experiment.load(settings).entries, **saved}
    elif missing:
        raise ValueError(f"{run.checkpoint_path} lacks {missing[0]}: it is not the checkpoint of config.json's run")
    try:
        model: nn.Module = experiment.model(settings, saved)
        model.load_state_dict(saved["model"])
    except _DAMAGED:
        raise ValueError(f"{run.checkpoint_path} does not fit the model of config.json") from None
    return TrainedRun(run, kind, settings, model.eval(), saved)
