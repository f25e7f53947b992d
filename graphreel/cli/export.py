"""`graphreel export`: a trained model for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from graphreel.cli.options import Run, path_option
from graphreel.cli.outputs import check_picture

_SUFFIXES = {"safetensors": ".safetensors", "onnx": ".onnx", "torch-export": ".pt2"}


def export(
    run: Run,
    to: Annotated[str, typer.Option(help="safetensors, onnx or torch-export.")] = "safetensors",
    out: Annotated[
        Path | None,
        path_option("File to write; its settings (.json) and card (.md) go beside it.", show_default="RUN/model.*"),
    ] = None,
) -> None:
    """Write a trained model as safetensors, ONNX or torch.export, with its settings and a model card."""
    if to not in _SUFFIXES:
        raise ValueError(f"--to expects one of {', '.join(_SUFFIXES)}, got {to!r}")
    check_picture(out, [".json", ".md"], run=run, suffixes=(_SUFFIXES[to],))
    if out is not None and not out.suffix:
        out = out.with_suffix(_SUFFIXES[to])
    from graphreel.inspect.export import export as write

    for path in write(run, to, out):
        typer.echo(path)
