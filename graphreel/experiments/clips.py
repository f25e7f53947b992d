"""`graphreel combined train` on clips: a class for each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import Batch

from graphreel.combined import ClipClassifier, parameters_of
from graphreel.data import load
from graphreel.data.registry import data_set
from graphreel.experiments.clip_baselines import baselines_of
from graphreel.experiments.clip_models import build_classifier
from graphreel.experiments.clip_settings import ClipSettings
from graphreel.experiments.experiment import Curves, Experiment, Rows, accuracy_curves
from graphreel.training import ranks
from graphreel.training.checkpoints import Plan
from graphreel.training.class_weights import class_weights, weight_of
from graphreel.training.memory import refuse_too_large
from graphreel.training.metrics import classification, test_figures, trivial_scores
from graphreel.training.optimizers import build_optimizer
from graphreel.training.progress import Progress
from graphreel.training.summary import over, percent
from graphreel.training.task import Task

_EVALUATED_AT_ONCE = 128


class Clips(Experiment):
    """Trains on mini-batches of clips."""

    needs = ("num_features", "classes")

    def __init__(self, settings: ClipSettings, splits: Any) -> None:
        if settings.recurrence == "nodes" and splits.train[0].get("track") is None:
            raise ValueError(
                f"--recurrence nodes needs clips whose nodes keep their identity, and {settings.data} has none"
            )
        self.settings, self.splits, self.notes = settings, splits, splits.notes
        self.label = self.name = settings.model
        self.entries = {
            "classes": list(splits.classes), "num_features": splits.num_features, "tracks": tracks_of(splits),
            "reader": dict(splits.settings), "timeless": splits.timeless,
        }  # fmt: skip
        if splits.seconds:
            self.entries["seconds"] = splits.seconds
        refuse_too_large(lambda: self.model(settings, self.entries))  # and settings that do not fit the clips
        per_epoch = steps_per_epoch(splits, settings)
        self.plan = Plan(
            steps=settings.epochs * per_epoch, evaluate_every=per_epoch, patience=settings.patience or None,
            clip_norm=settings.clip_norm, monitor="step" if settings.keep == "last" else "val_loss",
        )  # fmt: skip
        labels = [torch.cat([clip.y for clip in part]) for part in (splits.train, splits.validation)]
        self.trivial = trivial_scores(labels[0], labels[1], settings.label_smoothing)

    @classmethod
    def load(cls, settings: ClipSettings) -> "Clips":
        return cls(settings, load_clips(settings))

    @staticmethod
    def model(settings: ClipSettings, entries: Mapping[str, Any]) -> ClipClassifier:
        return build_classifier(
            settings, entries["num_features"], len(entries["classes"]), entries.get("tracks"), entries.get("timeless"),
            entries.get("reader", {}).get("people", 1),
        )  # fmt: skip

    def build(self, seed: int) -> Task:
        settings, splits = self.settings, fold_of(self.splits, seed)
        validation = in_batches(splits.validation, settings, splits)
        model = self.model(settings, self.entries).to(settings.device)
        optimizer = build_optimizer(settings.optimizer, model, settings.learning_rate, settings.weight_decay)

        labels = torch.cat([clip.y for clip in splits.train])
        weights = class_weights(settings.class_weights, labels, splits.classes, settings.device)

        def loss(batch: Any) -> Tensor:
            own = F.cross_entropy(model(batch), batch.y, weights, label_smoothing=settings.label_smoothing)
            return ranks.mean(own, weight_of(batch.y, weights))

        def validate() -> dict[str, float]:
            figures = classification(*logits_of(model, validation), "val", weights)
            return figures | ({"step": task.step} if settings.keep == "last" else {})

        task = Task(model, optimizer, ClipBatches(splits, settings, seed), loss, validate)
        return task

    def evaluate(self, task: Task) -> dict[str, Any]:
        model: Any = task.model
        splits = fold_of(self.splits, task.seed)
        validation, tested = (in_batches(part, self.settings, splits) for part in (splits.validation, splits.test))
        logits, labels = logits_of(model, tested)
        return {
            **test_figures(logits, labels),
            "val_accuracy": classification(*logits_of(model, validation), "val")["val_accuracy"],
            "parameters": parameters_of(model),
        }

    def metrics(self, rows: Rows) -> dict[str, Any]:
        return {"baselines": baselines_of(self.splits), "classes": list(self.splits.classes)}

    def warnings(self, metrics: Mapping[str, Any]) -> list[str]:
        own = metrics["test_accuracy"]["mean"]
        return [
            f"{name.replace('_', ' ')} reaches {100 * value:.1f} % of the test part, this model {100 * own:.1f} %"
            for name, value in metrics["baselines"].items()
            if value > own
        ]

    def curves(self, metrics: Mapping[str, Any]) -> Curves:
        title = f"{Path(self.settings.data).name}, {self.settings.model}"
        return accuracy_curves(title, metrics["baselines"]["majority"])

    def summary(self, metrics: Mapping[str, Any]) -> dict[str, str]:
        rows = metrics["seeds"]
        parts = [f"{len(getattr(self.splits, part))} {part}" for part in ("train", "validation", "test")]
        first = f" in the first of {len(self.splits.folds)} folds" if self.splits.folds else ""
        return {
            "data": f"{self.settings.data} ({', '.join(parts)} clips{first}, {self.splits.num_classes} classes)",
            "model": f"{self.settings.model}, {metrics['parameters']:,} parameters",
            "test accuracy": over(percent(metrics["test_accuracy"]), rows, "fold" if self.splits.folds else "seed"),
            "validation": percent(metrics["val_accuracy"]),
            "baselines": ", ".join(f"{n.replace('_', ' ')} {100 * v:.1f} %" for n, v in metrics["baselines"].items()),
            "time": f"{sum(row['seconds'] for row in rows) / len(rows):.1f} s a seed",
        }


def load_clips(settings: ClipSettings) -> Any:
    """The clips of the settings, split alike for every seed."""
    known = data_set(settings.data)
    if known.kind not in ("keypoints", "videos"):
        return load(settings.data)
    names = ["validation", "distances", "bones", "gestures", "frames", "folds"]
    if known.kind == "videos":
        names += ["graph", "regions", "motion", "height", "people", "pose_model", "skip_damaged"]
    if known.loader.endswith(("load_keypoints", "load_videos", "load_keypoint_folder")):
        names.append("split_by")
    if known.loader.endswith("load_keypoints"):
        names.append("third")
    if known.loader.endswith("load_keypoint_folder"):
        names += ["people", "skip_damaged"]
    options = {name: getattr(settings, name) for name in names}
    if known.kind == "videos":
        options["frames"] = settings.frames or 32
    if not known.loader.endswith(("load_videos", "load_keypoint_folder")):
        return load(settings.data, **options)
    with Progress().over(1) as bar:  # of files, whose number is known once they are read
        options["progress"] = lambda done, total: bar.reach(done / total, f"{done} of {total} files read")
        return load(settings.data, **options)


def fold_of(splits: Any, seed: int) -> Any:
    """The clips of one seed's training: with --folds those of its fold."""
    return splits.folds[seed % len(splits.folds)] if splits.folds else splits


class ClipBatches:
    """Mini-batches of a run: the order of an epoch and the variation of a clip depend on seed and step alone.

    Of several ranks each has its share of them, varied as one process would.
    """

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
            own = ranks.share(range(len(chosen)))
            varied = self.splits.augment(chosen, generator, slice(own.start, own.stop))
            return visible_to_model(varied, self.settings, self.splits.timeless)
        return collate(ranks.share(chosen), self.settings, self.splits.timeless)


def collate(clips: Any, settings: ClipSettings, timeless: Tensor | None) -> Any:
    """A batch of clips on the device, with what the model may not see taken away."""
    return visible_to_model(Batch.from_data_list(list(clips)), settings, timeless)


def visible_to_model(batch: Any, settings: ClipSettings, timeless: Tensor | None) -> Any:
    """What the model may see of a batch: in a comparison the GNN alone undirected edges and what says nothing of time,
    and "apart" no edges between people.
    """
    if settings.compared == "apart":
        batch = batch.apart()
    if settings.compared == "gnn":
        batch = batch.undirected()
        if timeless is not None:
            batch.x = batch.x[:, timeless]
    return batch.to(settings.device)


def steps_per_epoch(splits: Any, settings: ClipSettings) -> int:
    return -(-len(splits.train) // settings.batch_size)


def tracks_of(splits: Any) -> int | None:
    """The number of tracks where all clips have the same, else None."""
    counts = {clip.get("num_tracks") for part in (splits.train, splits.validation, splits.test) for clip in part}
    return counts.pop() if len(counts) == 1 else None


def in_batches(clips: Any, settings: ClipSettings, splits: Any) -> list[list[Any]]:
    """Clips in batches for evaluation, in their order: each batch as it is, and where the settings say so mirrored."""
    size = _EVALUATED_AT_ONCE
    parts = [clips[i : i + size] for i in range(0, len(clips), size)]
    return [views_of(part, settings, splits.timeless, splits.mirror) for part in parts]


def views_of(clips: Any, settings: ClipSettings, timeless: Tensor | None, mirror: Any) -> list[Any]:
    """A batch of clips, and its mirror image where the settings ask for one and `mirror` makes it."""
    views = [collate(clips, settings, timeless)]
    if settings.mirror and mirror is not None:
        views.append(visible_to_model(mirror(clips), settings, timeless))
    return views


@torch.no_grad()
def logits_of(model: ClipClassifier, batches: list[list[Any]]) -> tuple[Tensor, Tensor]:
    """Logits [clips, classes] and labels [clips] of clips in batches, each seen in one or several ways.

    The ranks share the batches.
    """
    labels = torch.cat([views[0].y for views in batches])
    logits = torch.cat(ranks.in_parts(batches, lambda views: seen_together(model, views).cpu()))
    return logits.to(labels.device), labels


def seen_together(model: ClipClassifier, views: list[Any]) -> Tensor:
    """Logits of a batch of clips; of several views of it, the logarithm of their mean probabilities."""
    if len(views) == 1:
        return model(views[0])
    return torch.stack([model(view).log_softmax(1) for view in views]).exp().mean(0).log()
