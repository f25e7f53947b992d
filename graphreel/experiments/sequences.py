"""`graphreel rnn train` on a sequence task: from settings to a run folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import typer
from torch import Tensor, nn

from graphreel.cli.options import choose_device
from graphreel.data import load
from graphreel.experiments.gate_pictures import draw_task_gates
from graphreel.experiments.sequence_settings import TaskSettings
from graphreel.rnn import SequenceClassifier
from graphreel.training.allocator import tune_allocator
from graphreel.training.curves import draw_curves
from graphreel.training.loop import Plan, train
from graphreel.training.progress import Progress
from graphreel.training.run_folder import RunFolder, chosen_path
from graphreel.training.summary import over, over_seeds, percent, summary
from graphreel.training.task import Task

_EVALUATED_AT_ONCE = 500


def build_classifier(settings: TaskSettings, source: Any) -> SequenceClassifier:
    """The network that the settings describe; with Kaiming initialisation its head is drawn so as well."""
    model = SequenceClassifier(
        source.num_tokens, settings.embedding, settings.hidden, source.num_classes, settings.cell,
        padding=source.padding if settings.skip_padding else None,
        initialization=settings.initialization, forget_bias=settings.forget_bias,
    )  # fmt: skip
    if settings.initialization == "kaiming":
        nn.init.kaiming_normal_(model.head.weight, nonlinearity="linear")
        nn.init.zeros_(model.head.bias)
    return model


@torch.no_grad()
def scores(model: nn.Module, tokens: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean cross entropy and accuracy."""
    device = next(model.parameters()).device
    logits = torch.cat([model(part.to(device)).cpu() for part in tokens.split(_EVALUATED_AT_ONCE)])
    return F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).float().mean().item()


def build_task(settings: TaskSettings, source: Any, seed: int) -> Task:
    """One seed's training: batches drawn on the fly from strings that are not held out."""
    model = build_classifier(settings, source).to(settings.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)

    def batch(step: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        return source.batch(settings.batch_size, generator)

    def loss(pair: tuple[Tensor, Tensor]) -> Tensor:
        tokens, labels = (part.to(settings.device) for part in pair)
        return F.cross_entropy(model(tokens), labels)

    def evaluate() -> dict[str, float]:
        val_loss, val_accuracy = scores(model, *source.validation)
        return {"val_loss": val_loss, "val_accuracy": val_accuracy}

    return Task(model, optimizer, batch, loss, evaluate)


def go_on(run: RunFolder, settings: TaskSettings, quiet: bool) -> RunFolder:
    """Train into a run folder that exists, from its checkpoint where it has one."""
    return train_task(run, settings, quiet)


def train_task(run: RunFolder, settings: TaskSettings, quiet: bool) -> RunFolder:
    """Train every seed and write metrics, curves and the picture of the gates into the run folder."""
    tune_allocator()
    source = load(settings.data, length=settings.length)
    plan = Plan(
        steps=settings.steps, evaluate_every=settings.evaluate_every, clip_norm=settings.clip_norm,
        goal={"val_accuracy": 1.0},
    )  # fmt: skip

    def test(task: Task) -> dict[str, Any]:
        return {
            "test_accuracy": scores(task.model, *source.test)[1],
            "val_accuracy": scores(task.model, *source.validation)[1],
        }

    rows = train(run, settings.every_seed, plan, lambda seed: build_task(settings, source, seed), test, Progress(quiet))
    checkpoint = run.load_checkpoint()
    parameters = rows[0]["parameters"]
    figures = over_seeds(rows, ("test_accuracy", "val_accuracy"))
    run.write_metrics(
        {
            "data": settings.data, "length": settings.length, "model": settings.cell, "parameters": parameters,
            **figures,
            "baselines": {"majority": source.chance}, "strings_held_out": source.strings_held_out, "seeds": rows,
        }
    )  # fmt: skip
    draw_curves(
        checkpoint["history"],
        {"loss (nats)": ("train_loss", "val_loss"), "validation accuracy": ("val_accuracy",)},
        run.curves_path,
        f"{settings.data}, length {settings.length}, {settings.cell}",
        {"validation accuracy": {"chance (majority class)": source.chance}},
    )
    pictures = [] if settings.cell == "rnn" else [_draw_gates(run, settings, source, checkpoint)]
    if not quiet:
        steps = sum(row["steps"] for row in rows)
        seconds = sum(row["seconds"] for row in rows)
        lines = {
            "data": f"{settings.data}, length {settings.length} ({source.sequence_length} symbols)",
            "model": f"{settings.cell}, {parameters:,} parameters",
            "test accuracy": over(percent(figures["test_accuracy"]), rows),
            "chance": f"{100 * source.chance:.1f} % (majority class)",
            "steps": ", ".join(str(row["steps"]) for row in rows),
            "time": f"{seconds / len(rows):.1f} s a seed, {1000 * seconds / max(steps, 1):.1f} s per 1000 steps",
        }
        typer.echo(summary(lines, run, *pictures))
    return run


def _draw_gates(run: RunFolder, settings: TaskSettings, source: Any, checkpoint: dict[str, Any]) -> Path:
    model = build_classifier(settings, source)
    model.load_state_dict(checkpoint["model"])
    return draw_task_gates(model, settings, source, run.path / "gates.png")


def start(settings: TaskSettings, out: Path | None, overwrite: bool, quiet: bool) -> RunFolder:
    """Make a run folder and train into it.

    Raises:
        ValueError, OSError: bad settings or folder; nothing is written then.
    """
    load(settings.data, length=settings.length, test_size=1, validation_size=1)  # refuses a bad length
    settings = replace(settings, device=choose_device(settings.device))
    path = chosen_path(out, f"{settings.data}-{settings.length}-{settings.cell}")
    run = RunFolder.create(path, {"room": "rnn", "kind": "task", **settings.as_dict()}, overwrite)
    return train_task(run, settings, quiet)


def resume(path: Path, quiet: bool) -> RunFolder:
    """Go on with an interrupted run under its own settings; a finished one is only shown again."""
    run = RunFolder.open(path, "rnn")
    settings = TaskSettings.from_dict(run.config())
    choose_device(settings.device)
    return train_task(run, settings, quiet)
