"""Options and arguments that several commands have."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer


def a_path(text: str | Path) -> Path:
    """The path that was typed; an empty one would be the current folder."""
    if not str(text).strip():
        raise typer.BadParameter("expects a path, got an empty one")
    return Path(text)


def path_option(help: str, **said: Any) -> Any:
    """An option that takes a path."""
    return typer.Option(help=help, parser=a_path, metavar="<path>", **said)


def _runs_here(incomplete: str) -> list[str]:
    """The run folders in runs/ and in the folder that is typed."""
    folder = os.path.dirname(incomplete) if incomplete else "runs"
    found = [os.path.join(folder, config.parent.name) for config in sorted(Path(folder).glob("*/config.json"))]
    return [name for name in found if name.startswith(incomplete)]


Run = Annotated[
    Path, typer.Argument(help="Run folder of a training.", parser=a_path, metavar="RUN", autocompletion=_runs_here)
]
Config = Annotated[
    Path | None, path_option("Settings from a .toml, .yaml or .json, or a run's config.json; typed options win.")
]
Out = Annotated[Path | None, path_option("Run folder to make.", show_default="runs/DATA-MODEL")]
Resume = Annotated[
    Path | None, path_option("Run folder to go on with, under its own settings.", autocompletion=_runs_here)
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run that --out already holds.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")]
Html = Annotated[bool, typer.Option("--html", help="A page to walk through, as one file, instead of a picture.")]
