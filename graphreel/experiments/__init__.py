"""Trainings: `start` one from its settings, `resume` one from its run folder. torch is imported when work begins."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphreel.experiments.kinds import KINDS, kind_of_run, kind_of_settings
from graphreel.training import ranks
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

    Under torchrun all processes train together, and rank 0 alone writes and prints. What torchrun starts again goes on.

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

    found: Any = replace(settings, device=choose_device(settings.device))  # type: ignore[type-var,attr-defined]
    with catching_signals(), ranks.joined():
        begun = ranks.from_first(lambda: _begun(out))
        if begun is not None:
            return resume(begun, quiet)
        with ranks.together(), without_bars(quiet or not ranks.is_first()):
            experiment = KINDS[name].experiment.load(found)
            if name != "compare":  # whose models have asked for themselves
                refuse_too_large(lambda: experiment.model(experiment.settings, experiment.entries))
                experiment.initial_weights  # noqa: B018  read before a folder is made
        launch = ranks.launch()
        kind = {"room": KINDS[name].room, **({} if name == "gnn" else {"kind": name})}
        kind |= {} if launch is None else {"launch": launch}
        default = Path("runs") / f"{Path(experiment.settings.data).stem}-{experiment.name}"
        run = RunFolder(ranks.from_first(lambda: out or free_folder(default)))
        with _held(run, lambda: run.begin({**kind, **experiment.settings.as_dict()}, overwrite)):
            experiment.fit(run, quiet)
    return run


def _begun(out: Path | None) -> Path | None:
    """The run that this start of torchrun began before it was started again, if it is to go on."""
    launch, again = ranks.launch(), int(os.environ.get("TORCHELASTIC_RESTART_COUNT") or 0)
    if launch is None:
        return None
    for run in map(RunFolder, [out] if out else sorted(Path("runs").glob("*"))):
        if run.is_run and run.config().get("launch") == launch and (again or not run.metrics_path.exists()):
            return run.path
    return None


@contextmanager
def _held(run: RunFolder, prepare: Callable[[], Any] = lambda: None) -> Iterator[None]:
    """A run folder that the first rank has locked, and prepared, for a with statement."""
    with ExitStack() as held:
        with ranks.together():
            if ranks.is_first():
                held.enter_context(run.locked())
                prepare()
        yield


def resume(path: Path, quiet: bool = False, kinds: Collection[str] | None = None) -> RunFolder:
    """Go on with an interrupted run under its own settings; a finished one is only shown again.

    Args:
        path: the run folder.
        kinds: of `KINDS`, those that may be resumed; None allows all.

    Raises:
        ValueError, OSError: no run folder, one of another kind, or one that is damaged.
        TrainingError, KeyboardInterrupt, Stopped: as for `start`.
    """
    run = RunFolder(path)
    with catching_signals(), ranks.joined():
        kind, settings = ranks.from_first(lambda: _settings_of(path, kinds))
        choose_device(settings.device)
        with _held(run):
            with ranks.together(), without_bars(quiet or not ranks.is_first()):
                experiment = KINDS[kind].experiment.load(settings)
            experiment.fit(run, quiet)
    return run


def _settings_of(path: Path, kinds: Collection[str] | None) -> tuple[str, Any]:
    """The kind of a run, one of those, and its settings."""
    rooms = {KINDS[kind].room for kind in kinds or ()}
    run = RunFolder.open(path, rooms.pop() if len(rooms) == 1 else None)
    name = kind_of_run(run)
    if kinds is not None and name not in kinds:
        command = "compare" if name == "compare" else "train"
        raise ValueError(f"{path} holds a run of `graphreel {KINDS[name].room} {command}`: resume it with that command")
    return name, KINDS[name].settings.from_dict(run.config())
