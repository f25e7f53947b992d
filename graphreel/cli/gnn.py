"""`graphreel gnn ...`: train, predict, embed, attention, updates. torch is imported only when work starts."""

from pathlib import Path
from typing import Annotated

import typer

from graphreel.cli.options import Html, Run, path_option
from graphreel.cli.outputs import PAGES, PICTURES, check_picture
from graphreel.cli.train_command import add_training
from graphreel.data.registry import data_set
from graphreel.training.run_folder import RunFolder

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
    html: Html = False,
    out: Annotated[Path | None, path_option("Picture or page to write.", show_default="RUN/attention.png")] = None,
) -> None:
    """Draw the attention of a trained GAT, or make a page of it, and write the numbers beside it."""
    RunFolder.open(run, "gnn")
    check_picture(out, [".json"], run=run, suffixes=PAGES if html else PICTURES)
    from graphreel.inspect.graph_attention import draw

    for path in draw(run, node, hops, graph, out, html):
        typer.echo(path)


_Data = Annotated[str, typer.Argument(help="A data set by name, or the path of one, as in training.", metavar="DATA")]


@app.command()
def predict(
    run: Run,
    data: _Data,
    out: Annotated[
        Path | None, path_option(".csv to write; of a packed graph also .npy.", show_default="RUN/predictions.csv")
    ] = None,
) -> None:
    """Write the class and the probabilities of every node or graph of DATA, by name."""
    _check_table(run, data, out, (".csv", ".npy"))
    from graphreel.inspect.graph_predictions import predict as predict_data

    typer.echo(predict_data(run, data, out))


@app.command()
def embed(
    run: Run,
    data: Annotated[
        str | None, typer.Argument(help="As for predict.", metavar="[DATA]", show_default="what it was trained on")
    ] = None,
    out: Annotated[Path | None, path_option(".csv or .npy to write.", show_default="RUN/embedding.csv")] = None,
) -> None:
    """Write the hidden features of every node or graph that go into a trained network's last layer."""
    _check_table(run, data, out, (".csv", ".npy"))
    from graphreel.inspect.graph_predictions import embed as embed_data

    typer.echo(embed_data(run, data, out))


def _check_table(run: Path, data: str | None, out: Path | None, suffixes: tuple[str, ...]) -> None:
    RunFolder.open(run, "gnn")
    read = []
    if data is not None:
        data_set(data, "gnn")
        read = [Path(data), *Path(data).rglob("*")] if Path(data).is_dir() else [Path(data)]
        read += Path(data).parent.glob("*nodes*") if Path(data).is_file() else []
    check_picture(out, read=read, run=run, suffixes=suffixes)


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
