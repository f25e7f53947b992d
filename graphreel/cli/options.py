"""Options that stand beside the settings of a training."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option(help="Settings from a .toml, .yaml or .json, or a run's config.json; typed options win."),
]
Out = Annotated[Path | None, typer.Option(help="Run folder to make.", show_default="runs/DATA-MODEL")]
Resume = Annotated[Path | None, typer.Option(help="Run folder to go on with, under its own settings.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run that --out already holds.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")]


def choose_device(name: str) -> str:
    """auto -> cuda where there is one, else cpu.

    Raises:
        ValueError: torch does not see the device here.
    """
    if name == "cpu":
        return name
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    there = torch.backends.mps.is_available() if kind == "mps" else torch.cuda.device_count() > int(number or 0)
    if not there:
        raise ValueError(f"--device {name}: torch sees no such device here; use cpu or auto")
    return name
