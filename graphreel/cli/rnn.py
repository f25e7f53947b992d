"""`graphreel rnn ...`: train, generate, gates, gradients. torch is imported only when work starts."""

from pathlib import Path
from typing import Annotated

import typer

from graphreel.cli.options import Device, Out, Overwrite, Quiet, Resume, Seed, Seeds, given, refuse_with_resume
from graphreel.data.registry import data_set
from graphreel.experiments.sequence_settings import TASKS, TaskSettings, TextSettings

app = typer.Typer(help="Time: sequence tasks, a model that writes, gradients through time.", no_args_is_help=True)


def _positive(value: float) -> float:
    if not 0 < value < float("inf"):
        raise typer.BadParameter(f"expects a positive number (--greedy takes the best character), got {value}")
    return value


def _share(value: float | None) -> float | None:
    if value is not None and not 0 < value <= 1:
        raise typer.BadParameter(f"expects a probability above 0, got {value}")
    return value


@app.command()
def train(
    data: Annotated[
        str | None,
        typer.Option(help="palindrome, baum-sweet, random-combinations; book, or the path of a text file."),
    ] = None,
    length: Annotated[int | None, typer.Option(help="Difficulty of a task: its T or L.")] = None,
    cell: Annotated[
        str | None, typer.Option(help="rnn, lstm, peephole, peephole-gers, gru or bilstm.", show_default="lstm")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", "--epochs", help="Optimiser steps at most.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Sequences or windows in a batch.")] = None,
    window: Annotated[int | None, typer.Option(help="Characters in a window of a text.")] = None,
    hidden: Annotated[int | None, typer.Option(help="Units of a layer.")] = None,
    layers: Annotated[int | None, typer.Option(help="Layers of a text's model.")] = None,
    embedding: Annotated[int | None, typer.Option(help="Features of a token.")] = None,
    learning_rate: Annotated[float | None, typer.Option("--learning-rate", "--lr", help="Of Adam.")] = None,
    clip_norm: Annotated[float | None, typer.Option(help="Largest norm of the gradient.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Of a text's model.")] = None,
    weight_dropout: Annotated[float | None, typer.Option(help="Of a text's recurrent matrices.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="Of AdamW, for a text.")] = None,
    initialization: Annotated[str | None, typer.Option(help="uniform, orthogonal or kaiming, for a task.")] = None,
    forget_bias: Annotated[float | None, typer.Option(help="What the forget gate's bias starts at.")] = None,
    skip: Annotated[
        bool | None, typer.Option(help="A text's layers all read the embedding, its head all layers.")
    ] = None,
    averaging: Annotated[
        float | None, typer.Option(help="Decay per step of the mean of the weights that is kept, for a text; 0: none.")
    ] = None,
    skip_padding: Annotated[
        bool | None, typer.Option("--skip-padding/--read-padding", help="Start a task's sequence at its first digit.")
    ] = None,
    carried: Annotated[
        bool | None, typer.Option("--carried/--fresh", help="Carry the hidden state from window to window of a text.")
    ] = None,
    evaluate_every: Annotated[int | None, typer.Option(help="Steps between evaluations.")] = None,
    seed: Seed = None,
    seeds: Seeds = None,
    device: Device = None,
    out: Out = None,
    overwrite: Overwrite = False,
    resume: Resume = None,
    quiet: Quiet = False,
) -> None:
    """Train on a sequence task, or a character model on a text."""
    typed: dict[str, object] = dict(
        length=length, cell=cell, steps=steps, batch_size=batch_size, window=window, hidden=hidden, layers=layers,
        embedding=embedding, learning_rate=learning_rate, clip_norm=clip_norm, dropout=dropout,
        weight_dropout=weight_dropout, weight_decay=weight_decay, initialization=initialization,
        forget_bias=forget_bias, skip=skip, averaging=averaging, skip_padding=skip_padding, carried=carried,
        evaluate_every=evaluate_every, seed=seed, seeds=seeds, device=device,
    )  # fmt: skip
    if resume is not None:
        refuse_with_resume({"data": data, "out": out, **typed})
        _resume(resume, quiet)
        return
    if data is None:
        raise ValueError("rnn train expects --data NAME or PATH (or --resume RUN), got none")
    data_set(data, "rnn")
    settings: TaskSettings | TextSettings
    settings = (TaskSettings if data in TASKS else TextSettings).resolve(data, given(typed))
    if isinstance(settings, TaskSettings):
        from graphreel.experiments.sequences import start as start_task

        start_task(settings, out, overwrite, quiet)
    else:
        from graphreel.experiments.text import start as start_text

        start_text(settings, out, overwrite, quiet)


def _resume(path: Path, quiet: bool) -> None:
    from graphreel.training.run_folder import RunFolder

    if RunFolder.open(path, "rnn").config().get("kind") == "task":
        from graphreel.experiments.sequences import resume as resume_task

        resume_task(path, quiet)
    else:
        from graphreel.experiments.text import resume as resume_text

        resume_text(path, quiet)


@app.command()
def generate(
    run: Annotated[Path, typer.Argument(help="Run folder of a training on a text.")],
    prompt: Annotated[str | None, typer.Option(help="What the text begins with.", show_default="a new line")] = None,
    length: Annotated[int, typer.Option(min=1, help="Characters to write at most.")] = 60,
    temperature: Annotated[
        float, typer.Option(callback=_positive, help="Divides the logits: below 1 bolder, above 1 more varied.")
    ] = 1.0,
    greedy: Annotated[bool, typer.Option("--greedy", help="Always the most probable character.")] = False,
    top_k: Annotated[int | None, typer.Option(min=1, help="Draw among the K most probable characters.")] = None,
    top_p: Annotated[
        float | None, typer.Option(callback=_share, help="Draw among the fewest that have this probability together.")
    ] = None,
    stop: Annotated[str | None, typer.Option(help="A text ends after writing this.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Number of texts, written as one batch.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the drawing.")] = 0,
    map_unknown: Annotated[
        bool, typer.Option("--map-unknown", help="Put the likest known character for an unknown one in the prompt.")
    ] = False,
) -> None:
    """Let a trained character model go on from a prompt."""
    from graphreel.training.run_folder import RunFolder

    RunFolder.open(run, "rnn")
    from graphreel.inspect.generate import write

    options = dict(
        temperature=temperature, greedy=greedy, top_k=top_k, top_p=top_p, stop=stop, count=count,
        map_unknown=map_unknown,
    )  # fmt: skip
    write(run, prompt, length, seed, options)


@app.command("gates")
def draw_gates(
    run: Annotated[Path, typer.Argument(help="Run folder of a training on a task or a text.")],
    text: Annotated[
        str | None, typer.Option(help="For a run on a text: what to read.", show_default="what the model writes")
    ] = None,
    number: Annotated[int, typer.Option(min=0, help="For a task: which sequence of the test part.")] = 0,
    layer: Annotated[int, typer.Option(min=0, help="For a run on a text: which layer, from 0.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Picture to write.", show_default="gates.png in RUN")] = None,
) -> None:
    """Draw what the gates of a trained model do along a sequence."""
    from graphreel.training.run_folder import RunFolder

    RunFolder.open(run, "rnn")
    from graphreel.inspect.gates import show

    show(run, text, number, layer, out)


@app.command()
def gradients(
    out: Annotated[Path, typer.Option(help="Picture to write; its numbers go beside it as .json.")] = Path(
        "gradients.png"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Of weights and data.")] = 0,
    steps: Annotated[int, typer.Option(min=0, help="Training steps before the second measurement.")] = 200,
    quiet: Quiet = False,
) -> None:
    """Check the closed-form gradients against autograd, and draw how they vanish and explode."""
    from graphreel.inspect.gradients import show

    show(out, seed, steps, quiet)
