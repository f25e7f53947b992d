"""Trainings: `start` one from its settings, `resume` one from its run folder. torch is imported when work begins."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphreel.experiments.kinds import KINDS, kind_of_run, kind_of_settings
from graphreel.training.device import choose_device
from graphreel.training.progress import without_bars
from graphreel.training.run_folder import RunFolder, free_folder
from graphreel.training.signals import catching_signals
from graphreel.training.trackers import require_tracker

if TYPE_CHECKING:
    from graphreel.training.settings import Settings


def start(
    settings: Settings,
    out: Path | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> RunFolder:
    """Make a run folder and train into it.

    Args:
        settings: of a training; their class says of which kind.
        out: the run folder; None takes the first free runs/DATA-MODEL.
        overwrite: replace the run that `out` holds, once the new one has its first checkpoint.
        quiet: show neither progress nor summary.

    Raises:
        ValueError, OSError: bad settings, data or folder; nothing is written then.
        TrainingError: the training diverged, or its folder vanished.
        KeyboardInterrupt, Stopped: a signal asked to stop; the folder has a checkpoint of that moment.
    """
    name = kind_of_settings(settings)
    require_tracker(settings.log)
    from graphreel.training.memory import refuse_too_large

    with catching_signals():
        found: Any = replace(settings, device=choose_device(settings.device))  # type: ignore[type-var,attr-defined]
        with without_bars(quiet):
            experiment = KINDS[name].experiment.load(found)
        if name != "compare":  # whose models have asked for themselves
            refuse_too_large(lambda: experiment.model(experiment.settings, experiment.entries))
            experiment.initial_weights  # noqa: B018  read before a folder is made
        kind = {"room": KINDS[name].room, **({} if name == "gnn" else {"kind": name})}
        path = out or free_folder(Path("runs") / f"{Path(experiment.settings.data).stem}-{experiment.name}")
        with RunFolder(path).locked() as run:
            run.begin({**kind, **experiment.settings.as_dict()}, overwrite)
            experiment.fit(run, quiet)
    return run


def resume(path: Path, quiet: bool = False, kinds: Collection[str] | None = None) -> RunFolder:
    """Go on with an interrupted run under its own settings; a finished one is only shown again.

    Args:
        path: the run folder.
        kinds: of `KINDS`, those that may be resumed; None allows all.

    Raises:
        ValueError, OSError: no run folder, one of another kind, or one that is damaged.
        TrainingError, KeyboardInterrupt, Stopped: as for `start`.
    """
    rooms = {KINDS[kind].room for kind in kinds or ()}
    run = RunFolder.open(path, rooms.pop() if len(rooms) == 1 else None)
    name = kind_of_run(run)
    kind = KINDS[name]
    if kinds is not None and name not in kinds:
        command = "compare" if name == "compare" else "train"
        raise ValueError(f"{path} holds a run of `graphreel {kind.room} {command}`: resume it with that command")
    settings = kind.settings.from_dict(run.config())
    choose_device(settings.device)
    with catching_signals(), run.locked():
        with without_bars(quiet):
            experiment = kind.experiment.load(settings)
        experiment.fit(run, quiet)
    return run
