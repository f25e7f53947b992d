"""Options that every train command has."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer


def _known_device(name: str | None) -> str | None:
    if name not in (None, "auto", "cpu", "cuda"):
        raise ValueError(f"--device expects auto, cpu or cuda, got {name!r}")
    return name


Seed = Annotated[int | None, typer.Option(help="First seed.", show_default="0")]
Seeds = Annotated[int | None, typer.Option(min=1, help="Train this many seeds; mean and standard deviation.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda.", show_default="auto", callback=_known_device)]
Out = Annotated[Path | None, typer.Option(help="Run folder to make.", show_default="runs/DATA-MODEL")]
Resume = Annotated[Path | None, typer.Option(help="Run folder to go on with, under its own settings.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the run that --out already holds.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")]


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that the user typed: those that are not None."""
    return {name: value for name, value in options.items() if value is not None}


def refuse_with_resume(options: Mapping[str, Any]) -> None:
    """A resumed run has its settings already.

    Raises:
        ValueError: further settings were typed beside --resume.
    """
    typed = ", ".join(f"--{name.replace('_', '-')}" for name in given(options))
    if typed:
        raise ValueError(f"--resume takes its settings from the run folder, got {typed} as well")


def choose_device(name: str) -> str:
    """auto -> cuda where there is one, else cpu.

    Raises:
        ValueError: an unknown device, or cuda where there is none.
    """
    _known_device(name)
    if name == "cpu":
        return name
    import torch

    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: torch sees no CUDA device here; use cpu or auto")
    return "cuda" if torch.cuda.is_available() else "cpu"
