"""`graphreel data ...`: what the commands read."""

from pathlib import Path
from typing import Annotated

import typer

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


@app.command()
def describe(file: Annotated[str, typer.Argument(help="A data set by name, or the path of one.")]) -> None:
    """Print what would be read of a data set: kind, sizes, parts, gaps, edges, classes, and what was found out."""
    from graphreel.data.registry import data_set

    data_set(file)
    from graphreel.data.describe_data import describe_data

    for line in describe_data(file):
        typer.echo(line)


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
