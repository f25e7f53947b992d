"""`graphreel data ...`: what the commands read."""

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from graphreel.cli.options import Quiet, path_option
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
        str,
        typer.Argument(
            help="graph, graphs, graph-classes, graph-tu, graph-ogb, series, clips, videos, text or sequences."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Where it goes: a new file or folder; its suffix chooses the format.")],
) -> None:
    """Write a small valid file or folder of a kind of data, to be filled with one's own."""
    from graphreel.data.examples import write_example

    for path in write_example(kind, out):
        typer.echo(path)


@app.command()
def pack(
    source: Annotated[
        str,
        typer.Argument(
            help="A table of edges (.csv, .parquet), an edge_index [2, E] as .npy, a folder of OGB, a .pt of PyG, "
            "or another graph by name or path."
        ),
    ],
    out: Annotated[Path, path_option("Folder to make.")],
    x: Annotated[Path | None, path_option("Features, a .npy of a row a node (float32 or float16).")] = None,
    y: Annotated[Path | None, path_option("Labels, a .npy of one a node.")] = None,
    splits: Annotated[
        Path | None, path_option("train, val and test: a .npz, .npy, .csv, .parquet or .pt; left out, drawn.")
    ] = None,
    parts: Annotated[int, typer.Option(min=1, help="Ranges of nodes, one for each rank of a training.")] = 1,
    quiet: Quiet = False,
) -> None:
    """Write a graph of any size as a folder of arrays, which trainings read without holding it in memory."""
    from graphreel.data.graphs.on_disk.pack import pack as pack_graph
    from graphreel.training.progress import Progress

    with Progress(quiet).over(1) as bar:
        manifest = pack_graph(source, out, x, y, splits, parts, lambda what, done: bar.reach(done, what))
    if not quiet:
        size = sum(array["bytes"] for array in manifest.arrays.values())
        for line in [*manifest.notes, f"{manifest.num_nodes:,} nodes, {manifest.num_edges:,} edges, "
                     f"{size / 2**20:,.1f} MB in {out}"]:  # fmt: skip
            typer.echo(f"  {line}")
