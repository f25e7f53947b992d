"""`graphreel data ...`: what the commands read."""

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
