"""Clips: from settings to a task, and `graphreel combined train` on them."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import typer
from torch import Tensor
from torch_geometric.data import Batch

from graphreel.cli.options import choose_device
from graphreel.combined import ClipClassifier, parameters_of
from graphreel.data import load
from graphreel.data.registry import data_set
from graphreel.experiments.clip_models import build_classifier
from graphreel.experiments.combined_settings import ClipSettings
from graphreel.training.allocator import tune_allocator
from graphreel.training.curves import draw_curves
from graphreel.training.loop import Plan, train
from graphreel.training.progress import Progress
from graphreel.training.run_folder import RunFolder, chosen_path
from graphreel.training.summary import over, over_seeds, percent, summary
from graphreel.training.task import Task

_EVALUATED_AT_ONCE = 128


def load_clips(settings: ClipSettings, quiet: bool = True) -> Any:
    """The clips of the settings, split; validation clips are cut from the training part by the first seed."""
    kind = data_set(settings.data).kind
    if kind not in ("keypoints", "videos"):
        return load(settings.data)
    names = ["validation", "distances", "bones", "gestures", "frames", "folds"]
    if kind == "videos":
        names += ["graph", "regions", "motion", "height", "people", "pose_model", "skip_damaged"]
    if data_set(settings.data).loader.endswith(("load_keypoints", "load_videos")):
        names += ["split_by"] if kind == "videos" else ["split_by", "third"]
    options = {name: getattr(settings, name) for name in names}
    if kind == "videos":
        options["frames"] = settings.frames or 32
    return load(settings.data, seed=settings.seed, **options)


class ClipBatches:
    """Mini-batches of a run: the order of an epoch and the variation of a clip depend on seed and step alone."""

    def __init__(self, splits: Any, settings: ClipSettings, seed: int) -> None:
        self.splits, self.settings, self.seed = splits, settings, seed
        self.per_epoch = steps_per_epoch(splits, settings)
        self.varies = settings.augment and splits.augment is not None

    def __call__(self, step: int) -> Any:
        epoch, position = divmod(step, self.per_epoch)
        clips = self.splits.train
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        order = torch.randperm(len(clips), generator=generator)
        size = self.settings.batch_size
        chosen = [clips[i] for i in order[position * size : (position + 1) * size].tolist()]
        if self.varies:
            generator.manual_seed((self.seed + 1) * 1_000_033 + step)
            return seen_by(self.splits.augment(chosen, generator), self.settings, self.splits.timeless)
        return collate(chosen, self.settings, self.splits.timeless)


def collate(clips: Any, settings: ClipSettings, timeless: Tensor | None) -> Any:
    """A batch of clips on the device, with what the model may not see taken away."""
    return seen_by(Batch.from_data_list(list(clips)), settings, timeless)


def seen_by(batch: Any, settings: ClipSettings, timeless: Tensor | None) -> Any:
    """What the model may see of a batch: the GNN of a comparison undirected edges and what says nothing of time."""
    if settings.compared == "gnn":
        batch = batch.undirected()
        if timeless is not None:
            batch.x = batch.x[:, timeless]
    return batch.to(settings.device)


def fold_of(splits: Any, settings: ClipSettings, seed: int) -> Any:
    """The clips of one training: with --folds those of its fold."""
    return splits.folds[(seed - settings.seed) % len(splits.folds)] if splits.folds else splits


def steps_per_epoch(splits: Any, settings: ClipSettings) -> int:
    return -(-len(splits.train) // settings.batch_size)


def tracks_of(splits: Any) -> int | None:
    """The number of tracks where all clips have the same, else None."""
    counts = {clip.get("num_tracks") for part in (splits.train, splits.validation, splits.test) for clip in part}
    return counts.pop() if len(counts) == 1 else None


def warm_cosine(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
    """The learning rate rises for a tenth of the steps, then falls to 0 along half a cosine."""
    warm = max(1, steps // 10)

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm))))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


@torch.no_grad()
def logits_of(model: ClipClassifier, batches: list[list[Any]]) -> tuple[Tensor, Tensor]:
    """Logits [clips, classes] and labels [clips] of clips in batches, each seen in one or several ways."""
    return torch.cat([seen_together(model, views) for views in batches]), torch.cat([views[0].y for views in batches])


def seen_together(model: ClipClassifier, views: list[Any]) -> Tensor:
    """Logits of a batch of clips; of several views of it, the logarithm of their mean probabilities."""
    if len(views) == 1:
        return model(views[0])
    return torch.stack([model(view).log_softmax(1) for view in views]).exp().mean(0).log()


def clip_task(splits: Any, settings: ClipSettings, seed: int) -> Task:
    """One seed's training."""
    splits = fold_of(splits, settings, seed)
    model = build_classifier(settings, splits.num_features, splits.num_classes, tracks_of(splits), splits.timeless).to(
        settings.device
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    batches = ClipBatches(splits, settings, seed)
    validation = in_batches(splits.validation, settings, splits)

    def loss(batch: Any) -> Tensor:
        return F.cross_entropy(model(batch), batch.y, label_smoothing=settings.label_smoothing)

    def evaluate() -> dict[str, float]:
        figures = scores(*logits_of(model, validation), "val")
        return figures | ({"step": scheduler.last_epoch} if settings.keep == "last" else {})

    scheduler = warm_cosine(optimizer, settings.epochs * batches.per_epoch)
    return Task(model, optimizer, batches, loss, evaluate, scheduler)


def in_batches(clips: Any, settings: ClipSettings, splits: Any) -> list[list[Any]]:
    """Clips in batches for evaluation, in their order: each batch as it is, and where the settings say so mirrored."""
    size = _EVALUATED_AT_ONCE
    parts = [clips[i : i + size] for i in range(0, len(clips), size)]
    return [views_of(part, settings, splits.timeless, splits.mirror) for part in parts]


def views_of(clips: Any, settings: ClipSettings, timeless: Tensor | None, mirror: Any) -> list[Any]:
    """A batch of clips, and its mirror image where the settings ask for one and `mirror` makes it."""
    views = [collate(clips, settings, timeless)]
    if settings.mirror and mirror is not None:
        views.append(seen_by(mirror(clips), settings, timeless))
    return views


def scores(logits: Tensor, labels: Tensor, part: str) -> dict[str, float]:
    """Mean cross entropy and accuracy."""
    return {
        f"{part}_loss": F.cross_entropy(logits, labels).item(),
        f"{part}_accuracy": (logits.argmax(1) == labels).float().mean().item(),
    }


def confusion_of(logits: Tensor, labels: Tensor) -> list[list[int]]:
    """Counts [true class][predicted class]."""
    classes = logits.size(1)
    pairs = labels.cpu() * classes + logits.argmax(1).cpu()
    return torch.bincount(pairs, minlength=classes * classes).view(classes, classes).tolist()


def train_clips(run: RunFolder, settings: ClipSettings, splits: Any, quiet: bool) -> dict[str, Any]:
    """Train every seed into the run folder; write metrics and curves; return the metrics."""
    tune_allocator()
    per_epoch = steps_per_epoch(splits, settings)
    plan = Plan(
        steps=settings.epochs * per_epoch, evaluate_every=per_epoch, patience=settings.patience or None,
        clip_norm=settings.clip_norm, monitor="step" if settings.keep == "last" else "val_loss",
    )  # fmt: skip

    def test(task: Task) -> dict[str, Any]:
        own = task.batch.splits  # type: ignore[attr-defined]
        validation, testing = (in_batches(part, settings, own) for part in (own.validation, own.test))
        logits, labels = logits_of(task.model, testing)  # type: ignore[arg-type]
        return {
            "test_accuracy": scores(logits, labels, "test")["test_accuracy"],
            "val_accuracy": scores(*logits_of(task.model, validation), "val")["val_accuracy"],  # type: ignore[arg-type]
            "parameters": parameters_of(task.model),
            "confusion": confusion_of(logits, labels),
        }

    extra = {
        "classes": list(splits.classes), "num_features": splits.num_features, "tracks": tracks_of(splits),
        "reader": dict(splits.settings), "timeless": splits.timeless,
    }  # fmt: skip
    rows = train(
        run, settings.every_seed, plan, lambda seed: clip_task(splits, settings, seed), test, Progress(quiet), extra
    )
    metrics = {
        "data": settings.data,
        "model": settings.model,
        "parameters": rows[0]["parameters"],
        **over_seeds(rows, ("test_accuracy", "val_accuracy")),
        "baselines": {"majority": splits.majority()},
        "classes": list(splits.classes),
        "seeds": rows,
    }
    run.write_metrics(metrics)
    draw_curves(
        run.load_checkpoint()["history"],
        {"loss (nats)": ("train_loss", "val_loss"), "validation accuracy": ("val_accuracy",)},
        run.curves_path,
        f"{Path(settings.data).name}, {settings.model}",
        {"validation accuracy": {"chance (majority class)": metrics["baselines"]["majority"]}},
    )
    return metrics


def show_clips(run: RunFolder, settings: ClipSettings, splits: Any, metrics: dict[str, Any]) -> None:
    """Print the figures of a training."""
    rows = metrics["seeds"]
    parts = [f"{len(getattr(splits, part))} {part}" for part in ("train", "validation", "test")]
    lines = {
        "data": f"{settings.data} ({', '.join(parts)} clips, {splits.num_classes} classes)",
        "model": f"{settings.model}, {metrics['parameters']:,} parameters",
        "test accuracy": over(percent(metrics["test_accuracy"]), rows),
        "validation": percent(metrics["val_accuracy"]),
        "baselines": f"majority {100 * metrics['baselines']['majority']:.1f} %",
        "time": f"{sum(row['seconds'] for row in rows) / len(rows):.1f} s a seed",
    }
    typer.echo(summary(lines, run))


def start(settings: ClipSettings, out: Path | None, overwrite: bool, quiet: bool) -> RunFolder:
    """Make a run folder and train into it.

    Raises:
        ValueError, OSError: bad settings, data or folder; nothing is written then.
    """
    settings = replace(settings, device=choose_device(settings.device))
    splits = load_clips(settings)
    if settings.recurrence == "nodes" and splits.train[0].get("track") is None:
        raise ValueError(
            f"--recurrence nodes needs clips whose nodes keep their identity, and {settings.data} has none"
        )
    build_classifier(settings, splits.num_features, splits.num_classes, tracks_of(splits), splits.timeless)
    path = chosen_path(out, f"{Path(settings.data).stem}-{settings.model}")
    run = RunFolder.create(path, {"room": "combined", "kind": "clips", **settings.as_dict()}, overwrite)
    return go_on(run, settings, quiet, splits)


def go_on(run: RunFolder, settings: ClipSettings, quiet: bool, splits: Any = None) -> RunFolder:
    """Train into a run folder that exists, from its checkpoint where it has one."""
    splits = splits if splits is not None else load_clips(settings)
    metrics = train_clips(run, settings, splits, quiet)
    if not quiet:
        show_clips(run, settings, splits, metrics)
    return run
