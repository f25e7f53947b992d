"""`graphreel rnn train` on a text: from settings to a run folder."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
import typer
from torch import Tensor

from graphreel.cli.options import choose_device
from graphreel.data import load
from graphreel.experiments.sequence_settings import TextSettings
from graphreel.experiments.text_samples import SamplesFile
from graphreel.rnn import CharLM, Vocabulary, bits_per_character
from graphreel.rnn.models.char_lm import State, detached
from graphreel.training.allocator import tune_allocator
from graphreel.training.curves import draw_curves
from graphreel.training.loop import Plan, train
from graphreel.training.progress import Progress
from graphreel.training.run_folder import RunFolder, chosen_path
from graphreel.training.summary import over_seeds, percent, summary
from graphreel.training.task import Task, average_of

_READERS = 16  # places from which a long text is read at once where speed matters more than one unbroken state
_WARM_UP = 200


class CarriedState:
    """The hidden state that goes from one training window to the next, and survives a resumed run."""

    def __init__(self) -> None:
        self.state: State | None = None

    def state_dict(self) -> dict[str, Any]:
        parts = (self.state,) if isinstance(self.state, Tensor) else self.state
        return {"parts": [] if parts is None else list(parts), "single": isinstance(self.state, Tensor)}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        parts = saved["parts"]
        self.state = (parts[0] if saved["single"] else tuple(parts)) if parts else None


def build_model(settings: TextSettings, num_tokens: int) -> CharLM:
    """The character model that the settings describe."""
    return CharLM(
        num_tokens, settings.embedding, settings.hidden, settings.layers, settings.cell, settings.dropout,
        settings.forget_bias, settings.weight_dropout, settings.skip,
    )  # fmt: skip


@torch.no_grad()
def loss_and_accuracy(model: CharLM, tokens: Tensor, chunk: int = 256) -> tuple[float, float]:
    """Mean cross entropy and accuracy of a text read from 16 evenly spread places at once, each with its own state."""
    share = max(1, (tokens.numel() - 1) // _READERS)
    start = torch.arange(min(_READERS, tokens.numel() - 1))[:, None] * share
    rows = tokens[start + torch.arange(share + 1)].to(next(model.parameters()).device)
    state, nats, right = None, 0.0, 0
    for at in range(0, share, chunk):
        window = rows[:, at : at + chunk + 1]
        logits, loss, state = model(window[:, :-1], window[:, 1:], state)
        nats += loss.item() * window[:, 1:].numel()
        right += int((logits.argmax(2) == window[:, 1:]).sum())
    count = rows[:, 1:].numel()
    return nats / count, right / count


def build_task(settings: TextSettings, book: Any, seed: int) -> Task:
    """One seed's training: windows of the training part, evaluation on the validation part."""
    from graphreel.data.sequences.text_windows import carried_windows, random_windows

    model = build_model(settings, len(book.vocabulary)).to(settings.device)
    averaged = average_of(model, settings.averaging) if settings.averaging > 0 else None
    groups: list[dict[str, Any]] = [
        {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in model.parameters() if p.dim() == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
    carried = CarriedState()
    sizes = (settings.window, settings.batch_size)

    def batch(step: int) -> tuple[Tensor, Tensor, bool]:
        if settings.carried:
            return carried_windows(book.train, *sizes, step, seed)
        return (*random_windows(book.train, *sizes, step, seed), True)

    def loss(window: tuple[Tensor, Tensor, bool]) -> Tensor:
        inputs, targets, anew = window
        state = None if anew else carried.state
        _, value, state = model(inputs.to(settings.device), targets.to(settings.device), state)
        if settings.carried:
            carried.state = detached(state)
        return value

    def evaluate() -> dict[str, float]:
        val_loss, val_accuracy = loss_and_accuracy(_model(task), book.validation)
        return {"val_loss": val_loss, "val_accuracy": val_accuracy}

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / settings.steps)))

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    task = Task(model, optimizer, batch, loss, evaluate, scheduler, {"state": carried}, averaged)
    return task


def train_text(run: RunFolder, settings: TextSettings, book: Any, quiet: bool) -> RunFolder:
    """Train every seed and write metrics, curves and samples into the run folder."""
    tune_allocator()
    vocabulary = Vocabulary(book.vocabulary)
    samples = SamplesFile(run.path / "samples.txt", vocabulary, book.text)
    thirds = {-(-settings.steps * part // 3): part for part in (1, 2, 3)}
    plan = Plan(steps=settings.steps, evaluate_every=settings.evaluate_every, clip_norm=settings.clip_norm)

    def on_step(task: Task, seed: int, step: int) -> None:
        if seed == settings.seed and step in thirds:
            samples.write(_model(task), f"step {step}, {thirds[step]}/3 of training", step)

    @torch.no_grad()
    def test(task: Task) -> dict[str, Any]:
        model = _model(task)
        return {
            "bits_per_char": bits_per_character(model, book.held_out.to(settings.device)),
            "train_accuracy": loss_and_accuracy(model, book.train)[1],
            "val_bits_per_char": loss_and_accuracy(model, book.validation)[0] / math.log(2),
        }

    rows = train(
        run, settings.every_seed, plan, lambda seed: build_task(settings, book, seed), test, Progress(quiet),
        {"vocabulary": book.vocabulary}, on_step,
    )  # fmt: skip
    checkpoint = run.load_checkpoint()
    parameters = rows[0]["parameters"]
    figures = over_seeds(rows, ("bits_per_char", "train_accuracy", "val_bits_per_char"))
    baselines = book.baselines()
    run.write_metrics(
        {
            "data": settings.data, "model": settings.cell, "parameters": parameters, **figures, "baselines": baselines,
            "seeds": rows,
        }
    )  # fmt: skip
    blank = book.train.bincount().max().item() / book.train.numel()
    history = [
        {**row, **{f"{part}_bits": row[f"{part}_loss"] / math.log(2) for part in ("train", "val")}}
        for row in checkpoint["history"]
    ]
    draw_curves(
        history,
        {"bits per character": ("train_bits", "val_bits"), "validation accuracy": ("val_accuracy",)},
        run.curves_path,
        f"{book.name}, {settings.cell}",
        {"bits per character": baselines, "validation accuracy": {"chance (most frequent character)": blank}},
    )
    if not quiet:
        bits, seconds = figures["bits_per_char"], sum(row["seconds"] for row in rows)
        steps = sum(row["steps"] for row in rows)
        lines = {
            "data": f"{book.name}, {len(book.text):,} characters, {len(book.vocabulary)} symbols",
            "model": f"{settings.cell}, {parameters:,} parameters",
            "held out": f"{bits['mean']:.3f} ± {bits['std']:.3f} bits per character (the last 5 % of the text)",
            "baselines": ", ".join(f"{name} {value:.2f}" for name, value in baselines.items()),
            "training": f"{percent(figures['train_accuracy'])} of the characters right",
            "time": f"{seconds:.0f} s, {1000 * seconds / max(steps, 1):.1f} s per 1000 steps",
        }
        typer.echo(summary(lines, run, samples.path))
    return run


def _model(task: Task) -> CharLM:
    """The weights that are kept: the averaged ones where there are any."""
    return cast(CharLM, task.result)


def go_on(run: RunFolder, settings: TextSettings, quiet: bool) -> RunFolder:
    """Train into a run folder that exists, from its checkpoint where it has one."""
    return train_text(run, settings, load_text(settings), quiet)


def load_text(settings: TextSettings) -> Any:
    """The text, checked to fill a window.

    Raises:
        ValueError: its training part is too short.
    """
    from graphreel.data.sequences.text_windows import random_windows

    book = load(settings.data, **({"encoding": settings.encoding} if settings.encoding else {}))
    random_windows(book.train, settings.window, 1, 0)
    return book


def start(settings: TextSettings, out: Path | None, overwrite: bool, quiet: bool) -> RunFolder:
    """Make a run folder and train into it.

    Raises:
        ValueError, OSError: bad settings, text or folder; nothing is written then.
    """
    settings = replace(settings, device=choose_device(settings.device))
    book = load_text(settings)
    path = chosen_path(out, f"{Path(settings.data).stem}-{settings.cell}")
    run = RunFolder.create(path, {"room": "rnn", "kind": "text", **settings.as_dict()}, overwrite)
    (run.path / "samples.txt").unlink(missing_ok=True)
    if not quiet:
        for note in book.notes:
            typer.echo(f"  {note}")
    return train_text(run, settings, book, quiet)


def resume(path: Path, quiet: bool) -> RunFolder:
    """Go on with an interrupted run under its own settings; a finished one is only shown again."""
    run = RunFolder.open(path, "rnn")
    settings = TextSettings.from_dict(run.config())
    choose_device(settings.device)
    return train_text(run, settings, load_text(settings), quiet)
