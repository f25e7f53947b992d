"""`graphreel rnn ...`: train, generate, predict, gates, gradients. torch is imported only when work starts."""

from pathlib import Path
from typing import Annotated

import typer

from graphreel.cli.options import Quiet, Run, a_path, path_option
from graphreel.cli.outputs import check_picture
from graphreel.cli.train_command import add_training
from graphreel.training.run_folder import RunFolder

app = typer.Typer(help="Time: sequence tasks, a model that writes, gradients through time.", no_args_is_help=True)
add_training(
    app,
    "train",
    "Train on a sequence task, a character model on a text, or a classifier on labelled sequences.",
    ("task", "text", "sequences"),
    "palindrome, baum-sweet, random-combinations; book, or the path of a text; sequences as .csv, .jsonl or .npz.",
)


def _positive(value: float) -> float:
    if not 0 < value < float("inf"):
        raise typer.BadParameter(f"expects a positive number (--greedy takes the best character), got {value}")
    return value


def _share(value: float | None) -> float | None:
    if value is not None and not 0 < value <= 1:
        raise typer.BadParameter(f"expects a probability above 0, got {value}")
    return value


@app.command()
def generate(
    run: Run,
    prompt: Annotated[str | None, typer.Option(help="What the text begins with.", show_default="the run's")] = None,
    length: Annotated[int, typer.Option(min=1, max=1_000_000_000, help="Characters to write at most.")] = 60,
    temperature: Annotated[
        float, typer.Option(callback=_positive, help="Divides the logits: below 1 bolder, above 1 more varied.")
    ] = 1.0,
    greedy: Annotated[bool, typer.Option("--greedy", help="Always the most probable character.")] = False,
    top_k: Annotated[int | None, typer.Option(min=1, help="Draw among the K most probable characters.")] = None,
    top_p: Annotated[
        float | None, typer.Option(callback=_share, help="Draw among the fewest that have this probability together.")
    ] = None,
    stop: Annotated[str | None, typer.Option(help="A text ends after writing this.")] = None,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="Number of texts, written as one batch.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the drawing.")] = 0,
    map_unknown: Annotated[
        bool, typer.Option("--map-unknown", help="Put the likest known character for an unknown one in the prompt.")
    ] = False,
) -> None:
    """Let a trained character model go on from a prompt."""
    RunFolder.open(run, "rnn")
    from graphreel.inspect.generate import write

    options = dict(
        temperature=temperature, greedy=greedy, top_k=top_k, top_p=top_p, stop=stop, count=count,
        map_unknown=map_unknown,
    )  # fmt: skip
    write(run, prompt, length, seed, options)


@app.command()
def predict(
    run: Run,
    file: Annotated[Path, typer.Argument(help="Sequences as in training, or a text.", parser=a_path, metavar="FILE")],
    out: Annotated[
        Path | None, path_option("Table of classes and probabilities.", show_default="RUN/predictions.csv")
    ] = None,
) -> None:
    """Write the class of each sequence with its probabilities; of a text, print how well the model predicts it."""
    from graphreel.training.run_folder import RunFolder

    RunFolder.open(run, "rnn")
    if not file.exists():
        raise FileNotFoundError(2, "no such file", str(file))
    check_picture(out, (), [file], run, (".csv", ".tsv"))
    from graphreel.inspect.predict_sequences import predict as predict_file

    typer.echo(predict_file(run, file, out))


@app.command("gates")
def draw_gates(
    run: Run,
    text: Annotated[
        str | None, typer.Option(help="For a run on a text: what to read.", show_default="what the model writes")
    ] = None,
    number: Annotated[int, typer.Option(min=0, help="For a task: which sequence of the test part.")] = 0,
    layer: Annotated[int, typer.Option(min=0, help="For a run on a text: which layer, from 0.")] = 0,
    out: Annotated[Path | None, path_option("Picture to write.", show_default="RUN/gates.png")] = None,
) -> None:
    """Draw what the gates of a trained model do along a sequence."""
    RunFolder.open(run, "rnn")
    check_picture(out, run=run)
    from graphreel.inspect.gates import show

    show(run, text, number, layer, out)


@app.command()
def gradients(
    out: Annotated[Path, path_option("Picture to write; its numbers go beside it as .json.")] = Path("gradients.png"),
    problems: Annotated[
        int, typer.Option(min=1, max=100_000, help="Random networks to check; the largest difference is told.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of weights and data.")] = 0,
    length: Annotated[int, typer.Option(min=1, max=100_000, help="Of the sequences whose gradients are drawn.")] = 100,
    hidden: Annotated[
        int, typer.Option(min=1, max=100_000, help="Units of the networks whose gradients are drawn.")
    ] = 32,
    batch_size: Annotated[int, typer.Option(min=1, max=100_000, help="Sequences in a batch of their training.")] = 32,
    steps: Annotated[int, typer.Option(min=0, help="Training steps before the second measurement.")] = 200,
    quiet: Quiet = False,
) -> None:
    """Check the closed-form gradients against autograd, and draw how they vanish and explode."""
    check_picture(out, [".json"])
    from graphreel.inspect.gradients import show

    sizes = {"steps": length, "hidden_size": hidden, "batch_size": batch_size, "training_steps": steps}
    show(out, problems, seed, quiet, **sizes)
