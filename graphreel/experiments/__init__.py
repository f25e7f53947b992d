"""Trainings: `start` one from its settings, `resume` one from its run folder. torch is imported when work begins."""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphreel.training.run_folder import RunFolder

if TYPE_CHECKING:
    from graphreel.training.settings import Settings

# kind of training -> room, settings, and the modules' functions that start and go on with it
_KINDS = {
    "gnn": ("gnn", "graph_settings:GnnSettings", "graphs:start_training", "graphs:go_on"),
    "task": ("rnn", "task_settings:TaskSettings", "sequences:start", "sequences:go_on"),
    "text": ("rnn", "text_settings:TextSettings", "text:start", "text:go_on"),
    "clips": ("combined", "clip_settings:ClipSettings", "clips:start", "clips:go_on"),
    "series": ("combined", "series_settings:SeriesSettings", "series:start", "series:go_on"),
    "compare": ("combined", "clip_settings:CompareSettings", "compare:start", "compare:go_on"),
}


def start(
    settings: Settings,
    out: Path | None = None,
    overwrite: bool = False,
    quiet: bool = False,
    kind: str | None = None,
) -> RunFolder:
    """Make a run folder and train into it.

    Args:
        settings: of a training; their class says of which kind.
        out: the run folder; None takes the first free runs/DATA-MODEL.
        overwrite: replace the run that `out` holds.
        quiet: show neither progress nor summary.
        kind: "compare" trains the three models of a comparison on clips.

    Raises:
        ValueError, OSError: bad settings, data or folder; nothing is written then.
        NotFinite: the training diverged.
    """
    kind = kind or next(k for k, (_, known, *_) in _KINDS.items() if known.endswith(f":{type(settings).__name__}"))
    run: RunFolder = _found(_KINDS[kind][2])(settings, out, overwrite, quiet)
    return run


def resume(path: Path, quiet: bool = False, kinds: Collection[str] | None = None) -> RunFolder:
    """Go on with an interrupted run under its own settings; a finished one is only shown again.

    Args:
        path: the run folder.
        kinds: of gnn, task, text, clips, series, compare: those that may be resumed; None allows all.

    Raises:
        ValueError, OSError: no run folder, one of another kind, or one that is damaged.
        NotFinite: the training diverged.
    """
    rooms = {_KINDS[kind][0] for kind in kinds or ()}
    run = RunFolder.open(path, rooms.pop() if len(rooms) == 1 else None)
    config = run.config()
    kind = str(config.get("kind") or config.get("room"))
    if kind not in _KINDS:
        raise ValueError(f"{run.config_path} expects one of the kinds {', '.join(_KINDS)}, got {kind!r}")
    room, known, _, go_on = _KINDS[kind]
    if kinds is not None and kind not in kinds:
        command = "compare" if kind == "compare" else "train"
        raise ValueError(f"{path} holds a run of `graphreel {room} {command}`: resume it with that command")
    from graphreel.cli.options import choose_device

    settings = _found(known).from_dict(config)
    choose_device(settings.device)
    done: RunFolder = _found(go_on)(run, settings, quiet)
    return done


def _found(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(f"graphreel.experiments.{module}"), name)
