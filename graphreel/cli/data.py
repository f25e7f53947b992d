"""`graphreel data ...`: what the commands read."""

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from graphreel.cli.train_command import reading_options
from graphreel.data.registry import data_set
from graphreel.experiments.kinds import KINDS

app = typer.Typer(help="What the commands read.", no_args_is_help=True)

_FETCHED = ("pose-model",)


@app.command()
def get(name: Annotated[str, typer.Argument(help=f"One of {', '.join(_FETCHED)}.")]) -> None:
    """Fetch what is not part of the package, check it and keep it in the cache."""
    if name not in _FETCHED:
        raise ValueError(f"NAME expects one of {', '.join(_FETCHED)}, got {name}")
    from graphreel.data.clips.pose_model import get_pose_model

    for path in get_pose_model().values():
        typer.echo(path)


def _describe(file: str, **given: Any) -> None:
    typed = {name: value for name, value in given.items() if value is not None}
    kind = data_set(file).kind
    known = next(one.settings for one in KINDS.values() if kind in one.settings.KINDS)
    settings = known.resolve(file, typed, kind)
    from graphreel.data.describe_data import describe_data

    for line in describe_data(file, **{name: settings.reading[name] for name in typed}):
        typer.echo(line)


_FILE = Annotated[str, typer.Argument(help="A data set by name, or the path of one.")]
_describe.__signature__ = reading_options(  # type: ignore[attr-defined]
    inspect.Parameter("file", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=_FILE)
)
app.command(
    "describe", help="Print what would be read of a data set: kind, sizes, parts, gaps, edges, classes, and guesses."
)(_describe)


@app.command()
def example(
    kind: Annotated[
        str, typer.Argument(help="graph, graphs, graph-classes, graph-tu, graph-ogb, series, clips, text or sequences.")
    ],
    out: Annotated[Path, typer.Option(help="Where it goes: a new file or folder; its suffix chooses the format.")],
) -> None:
    """Write a small valid file or folder of a kind of data, to be filled with one's own."""
    from graphreel.data.examples import write_example

    for path in write_example(kind, out):
        typer.echo(path)
