"""`graphreel sweep`: settings searched by their validation figures. Optuna is imported only when work starts."""

from pathlib import Path
from typing import Annotated

import typer

from graphreel.cli.config_file import read_config
from graphreel.cli.options import Config, Quiet, path_option
from graphreel.data.registry import data_set


def sweep(
    room: Annotated[str, typer.Argument(help="gnn, rnn or combined: whose training is tuned.")],
    data: Annotated[str, typer.Option(help="Data set by name, or the path of one.")],
    tune: Annotated[list[str], typer.Option(help="learning_rate=1e-4..1e-1:log,hidden=32|64|128; may be repeated.")],
    out: Annotated[Path, path_option("Folder of the study; one that is there is gone on with.")],
    trials: Annotated[int, typer.Option(min=1, max=1_000_000, help="Until the study has so many.")] = 30,
    hours: Annotated[float | None, typer.Option(min=0.0, help="Begin no trial after so long.")] = None,
    given: Annotated[
        list[str] | None,
        typer.Option("--set", help="Settings that are not tuned: model=gat,seeds=10; may be repeated."),
    ] = None,
    config: Config = None,
    preset: Annotated[str, typer.Option(help="paper, fast or best, as in training.", show_default=False)] = "",
    storage: Annotated[
        str | None, typer.Option(help="URL of a database that machines share.", show_default="SQLite in --out")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Tune a training by its validation figures with Optuna, then train the best over --set seeds=N, and test it once.

    Writes trials.csv, history.png, importance.png and the run folder `best`.
    """
    from graphreel.experiments.kinds import KINDS
    from graphreel.experiments.sweep import parse, search_space
    from graphreel.experiments.sweep import sweep as run_sweep

    rooms = list(dict.fromkeys(kind.room for kind in KINDS.values()))
    if room not in rooms:
        raise ValueError(f"ROOM expects one of {', '.join(rooms)}, got {room!r}")
    kind = data_set(data, room).kind
    kinds = {name: one.settings for name, one in KINDS.items() if one.room == room and name != "compare"}
    settings = next((one for one in kinds.values() if kind in one.KINDS), next(iter(kinds.values())))
    known = settings.options()
    typed = read_config(config, kinds) if config is not None else {}
    typed.pop("data", None)
    typed |= {"preset": preset} if preset else {}
    for text in filter(None, (part.strip() for one in given or () for part in one.split(","))):
        name, equals, value = text.partition("=")
        name = name.strip().lstrip("-").replace("-", "_")
        if name not in known or not equals:
            raise ValueError(f"--set expects SETTING=VALUE, got {text!r}")
        typed[name] = parse(known[name], value)
    space = search_space(tune, known)
    best = run_sweep(settings.resolve(data, typed, kind), space, out, trials, hours, storage, quiet)
    if not quiet:
        typer.echo(f"  best settings and their test figures in {best.path}; trials in {out / 'trials.csv'}")
