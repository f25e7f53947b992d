"""`graphreel gnn ...`: train, attention, updates. torch is imported only when work starts."""

from pathlib import Path
from typing import Annotated

import typer

from graphreel.cli.options import Run, path_option
from graphreel.cli.outputs import check_picture
from graphreel.cli.train_command import add_training
from graphreel.data.registry import data_set

app = typer.Typer(help="Space: GCN, GAT and GATv2 on graphs.", no_args_is_help=True)
add_training(
    app,
    "train",
    "Train on a graph (node classes) or on a set of graphs (graph classes).",
    ("gnn",),
    "Data set by name, or the path of one.",
)


@app.command()
def attention(
    run: Run,
    node: Annotated[str | None, typer.Option(help="Name or index of the node in the middle.")] = None,
    hops: Annotated[int, typer.Option(min=1, help="How far the neighbourhood reaches.")] = 1,
    graph: Annotated[int, typer.Option(help="Which graph, of a run on a set of graphs.")] = 0,
    out: Annotated[Path | None, path_option("Picture to write.", show_default="RUN/attention.png")] = None,
) -> None:
    """Draw the attention of a trained GAT, and write the numbers beside it."""
    from graphreel.training.run_folder import RunFolder

    RunFolder.open(run, "gnn")
    check_picture(out, [".json"], run=run)
    from graphreel.inspect.graph_attention import draw

    for path in draw(run, node, hops, graph, out):
        typer.echo(path)


@app.command()
def updates(
    source: Annotated[str, typer.Argument(help="Name or index of the node that information leaves.")],
    target: Annotated[str, typer.Argument(help="Name or index of the node that it should reach.")],
    data: Annotated[str, typer.Option(help="Data set by name, or the path of one.")] = "six-node",
) -> None:
    """Print how many message-passing updates it takes until SOURCE is felt at TARGET."""
    data_set(data, "gnn")
    from graphreel.data import load
    from graphreel.gnn import updates_between

    count = updates_between(load(data), source, target)
    typer.echo("no path" if count is None else count)
