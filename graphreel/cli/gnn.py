"""`graphreel gnn ...`: train, attention, updates. torch is imported only when work starts."""

from pathlib import Path
from typing import Annotated

import typer

from graphreel.cli.options import Device, Out, Overwrite, Quiet, Resume, Seed, Seeds, given, refuse_with_resume
from graphreel.data.registry import data_set
from graphreel.experiments.graph_settings import GnnSettings

app = typer.Typer(help="Space: GCN, GAT and GATv2 on graphs.", no_args_is_help=True)

Data = Annotated[str | None, typer.Option(help="Data set by name, or the path of one.")]
Run = Annotated[Path, typer.Argument(help="Run folder of a training.")]


@app.command()
def train(
    data: Data = None,
    model: Annotated[str | None, typer.Option(help="gcn, gat or gatv2.", show_default="gcn")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", "--steps", help="Passes over the training part.")] = None,
    hidden: Annotated[int | None, typer.Option(help="Width of the hidden layers, all heads together.")] = None,
    layers: Annotated[int | None, typer.Option(help="Number of graph convolutions.")] = None,
    heads: Annotated[int | None, typer.Option(help="Attention heads of the hidden layers.")] = None,
    output_heads: Annotated[int | None, typer.Option(help="Attention heads of the last layer.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Between layers and on attention.")] = None,
    input_dropout: Annotated[float | None, typer.Option(help="On the features.")] = None,
    residual: Annotated[bool | None, typer.Option("--residual/--no-residual", help="Skip connections.")] = None,
    norm: Annotated[str | None, typer.Option(help="none, batch or layer.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", "--lr", help="Of Adam.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="L2 penalty.")] = None,
    decay_on: Annotated[str | None, typer.Option(help="Layers under the penalty: first or all.")] = None,
    label_smoothing: Annotated[float | None, typer.Option(help="Share of the target spread over all classes.")] = None,
    monitor: Annotated[str | None, typer.Option(help="val_loss or val_accuracy (ties broken by the loss).")] = None,
    patience: Annotated[int | None, typer.Option(help="Epochs without improvement before stopping; 0: never.")] = None,
    undirected: Annotated[
        bool | None, typer.Option("--undirected/--directed", help="Add the reverse of every edge.")
    ] = None,
    neighbors: Annotated[str | None, typer.Option(help="Sample this many neighbours per layer, as 15,10.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Seed nodes of a sampled batch.")] = None,
    seed: Seed = None,
    seeds: Seeds = None,
    device: Device = None,
    out: Out = None,
    overwrite: Overwrite = False,
    resume: Resume = None,
    quiet: Quiet = False,
) -> None:
    """Train on a graph (node classes) or on a set of graphs (graph classes)."""
    typed = dict(
        epochs=epochs, hidden=hidden, layers=layers, heads=heads, output_heads=output_heads, dropout=dropout,
        input_dropout=input_dropout, residual=residual, norm=norm, learning_rate=learning_rate,
        weight_decay=weight_decay, decay_on=decay_on, label_smoothing=label_smoothing, monitor=monitor,
        patience=patience, undirected=undirected, neighbors=neighbors, batch_size=batch_size,
        seed=seed, seeds=seeds, device=device,
    )  # fmt: skip
    if resume is not None:
        refuse_with_resume({"data": data, "model": model, "out": out, **typed})
        from graphreel.experiments.graphs import resume_training

        resume_training(resume, quiet)
        return
    if data is None:
        raise ValueError("gnn train expects --data NAME or PATH (or --resume RUN), got none")
    settings = GnnSettings.resolve(data, model or "gcn", given(typed))
    from graphreel.experiments.graphs import start_training

    start_training(settings, out, overwrite, quiet)


@app.command()
def attention(
    run: Run,
    node: Annotated[str | None, typer.Option(help="Name or index of the node in the middle.")] = None,
    hops: Annotated[int, typer.Option(min=1, help="How far the neighbourhood reaches.")] = 1,
    graph: Annotated[int, typer.Option(help="Which graph, of a run on a set of graphs.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Picture to write.", show_default="RUN/attention.png")] = None,
) -> None:
    """Draw the attention of a trained GAT, and write the numbers beside it."""
    from graphreel.training.run_folder import RunFolder

    RunFolder.open(run, "gnn")
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
