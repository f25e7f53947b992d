"""A command that trains, made from the settings of what it trains: a setting is one line of its dataclass."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import typer

from graphreel.cli.config_file import read_config
from graphreel.cli.options import Config, Out, Overwrite, Quiet, Resume
from graphreel.data.registry import data_set
from graphreel.experiments import resume, start
from graphreel.experiments.kinds import KINDS
from graphreel.training.option import Setting, dashed
from graphreel.training.ranks import started
from graphreel.training.settings import Settings

EXIT_CODES = (
    "Ends with 0 when all went well, 1 when the training diverged, 2 on bad input, "
    "130, 143 or 129 when it was interrupted (Ctrl-C, SIGTERM, SIGHUP)."
)


def add_training(app: typer.Typer, name: str, about: str, names: Sequence[str], data: str, out: Any = Out) -> None:
    """Give `app` a command that trains.

    Args:
        about: what its help says of it.
        names: of trainings, as in `graphreel.experiments.kinds`.
    """
    kinds = {kind: KINDS[kind].settings for kind in names}
    classes = list(kinds.values())
    beside = {"config": Config, "out": out, "overwrite": Overwrite, "resume": Resume, "quiet": Quiet}
    command_name = f"{classes[0].ROOM} {name}"

    def command(**given: Any) -> None:
        own = {key: given.pop(key) for key in beside}
        typed = {key: value for key, value in given.items() if value is not None}
        if own["resume"] is not None:
            _refuse_with_resume({key: own[key] for key in ("config", "out") if own[key] is not None} | typed)
            resume(own["resume"], own["quiet"], names)
            return
        if own["config"] is not None:
            typed = read_config(own["config"], kinds) | typed
        source = typed.pop("data", None)
        if source is None:
            raise ValueError(f"{command_name} expects --data NAME or PATH (or --resume RUN), got none")
        kind = data_set(source, classes[0].ROOM).kind
        known = next((one for one in classes if kind in one.KINDS), classes[0])
        if "batch_size" in typed:  # of each process, as DistributedDataParallel has it; a run knows that of all
            typed["batch_size"] *= started()[1]
        start(known.resolve(source, typed, kind), own["out"], own["overwrite"], own["quiet"])

    parameters = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for key, default, annotation in _parameters(classes, data, beside)
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    app.command(name, help=about, epilog=EXIT_CODES)(command)


def _parameters(classes: list[type[Settings]], data: str, beside: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    merged: dict[str, list[type[Settings]]] = {}
    for one in classes:
        for key in one.shown():
            merged.setdefault(key, []).append(one)
    for key, owners in merged.items():
        panel = owners[0].shown()[key].panel if len(owners) == len(classes) else f"{owners[0].PANEL} only"
        yield key, None, _flag(key, owners, panel, data if key == "data" else "")
        if key == "data":
            for name, annotation in beside.items():
                flag = annotation.__metadata__[0]
                flag.rich_help_panel = "Run"
                yield name, False if flag.param_decls else None, annotation


def _flag(key: str, owners: list[type[Settings]], panel: str, help: str = "") -> Any:
    """The annotation of an option: None where it is not typed."""
    setting = owners[0].shown()[key]
    said: dict[str, Any] = {"rich_help_panel": panel, "show_default": defaults_of(key, owners)}
    if setting.choices:
        said["autocompletion"] = _completion(setting)
    kind = setting.kind | None  # type: ignore[operator]
    return Annotated[kind, typer.Option(*setting.flags, help=help or described(setting), **said)]


def reading_options(*given: inspect.Parameter) -> inspect.Signature:
    """Some parameters, and the options of every training that say how a file is read."""
    owners: dict[str, list[type[Settings]]] = {}
    for kind in KINDS.values():
        for key in kind.settings.READING:
            owners.setdefault(key, []).append(kind.settings)
    flags = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_flag(key, those, panel))
        for key, those in owners.items()
        for panel in [" and ".join(one.PANEL.lower() for one in those).capitalize() + " only"]
    ]
    return inspect.Signature([*given, *flags])


def described(setting: Setting) -> str:
    """The help of a setting, with its choices."""
    return f"{setting.help} ({', '.join(setting.choices)})." if setting.choices else setting.help


def defaults_of(name: str, owners: list[type[Settings]]) -> Any:
    """The default of a setting in words: those of all presets where they differ."""
    if owners[0].options()[name].by_data:
        return False
    values = [owner.options()[name].default for owner in owners]
    values += [preset[name] for owner in owners for preset in owner.PRESETS.values() if name in preset]
    shown = list(dict.fromkeys(map(_word, values)))
    return False if shown == [""] else f"{' or '.join(filter(None, shown))}{', by the data' * (len(shown) > 1)}"


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "" if value in (None, "") or not isinstance(value, str | int | float) else str(value)


def _completion(setting: Setting) -> Any:
    return lambda incomplete: [choice for choice in setting.choices if choice.startswith(incomplete)]


def _refuse_with_resume(typed: Mapping[str, Any]) -> None:
    """A resumed run has its settings already."""
    if typed:
        said = ", ".join(f"--{dashed(name)}" for name in typed)
        raise ValueError(f"--resume takes its settings from the run folder, got {said} as well")
