"""`graphreel combined compare`: a GNN alone, an RNN alone, and both, on the same clips."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import typer
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from graphreel.core.atomic_files import write_whole
from graphreel.core.labels import plain
from graphreel.experiments.clip_baselines import baselines_of
from graphreel.experiments.clip_settings import APART, COMPARED, CompareSettings
from graphreel.experiments.clips import Clips, load_clips
from graphreel.experiments.experiment import fit_part
from graphreel.training.run_folder import RunFolder
from graphreel.training.summary import percent

NAMES = {"both": "both", "gnn": "GNN alone", "rnn": "RNN alone", APART: "people apart"}
WITHOUT = {"rnn": "edges", APART: "edges between people"}  # what "both" has beside these
CONFUSED = 0.2  # share of two classes' clips taken for each other from which they count as not told apart


class Comparison:
    """Three trainings on clips, each in a run folder of its own inside that of the comparison.

    Of clips of several people a fourth, of both networks without the edges between these.
    """

    name = "compare"

    def __init__(self, settings: CompareSettings, splits: Any) -> None:
        self.settings, self.splits = settings, splits
        compared = (*COMPARED, APART) if splits.settings.get("people", 1) > 1 else COMPARED
        self.models = {name: Clips(replace(settings, compared=name), splits) for name in compared}

    @classmethod
    def load(cls, settings: CompareSettings) -> "Comparison":
        return cls(settings, load_clips(settings))

    def fit(self, run: RunFolder, quiet: bool) -> dict[str, Any]:
        """Train what is not trained yet, then write metrics.json and compare.png."""
        classes, models, kind = self.splits.classes, {}, {"room": "combined", "kind": "clips"}
        for name, experiment in self.models.items():
            metrics = fit_part(run, name, experiment, kind, quiet)
            confusion = np.sum([row["confusion"] for row in metrics["seeds"]], axis=0)
            models[name] = {
                **{key: metrics[key] for key in ("test_accuracy", "val_accuracy", "parameters", "warnings")},
                "confusion": confusion.tolist(),
                "not_told_apart": not_told_apart(confusion, classes),
                "most_confused": confusions(confusion, classes)[0],
                "seeds": [{k: v for k, v in row.items() if k != "confusion"} for row in metrics["seeds"]],
            }
        metrics = {
            "data": self.settings.data,
            "models": models,
            "classes": list(classes),
            "differences": {name: difference(models, name) for name in WITHOUT if name in models},
            "baselines": baselines_of(self.splits),
        }
        run.write_metrics(metrics)
        picture = draw_comparison(metrics, run.path / "compare.png")
        if not quiet:
            typer.echo(table(metrics))
            for name, model in models.items():
                for text in model["warnings"]:
                    typer.echo(f"  warning: {NAMES[name]}, {text}")
            typer.echo(f"  in {run.path}: metrics.json, {picture.name}, and a run folder for each model")
        return metrics


def confusions(confusion: np.ndarray, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Every pair of classes, with the share of its clips that are taken for the other class, the most confused first.

    Args:
        confusion: counts [true class, predicted class].
        classes: their names.
    """
    found = []
    for i, j in combinations(range(len(classes)), 2):
        share = float(confusion[i, j] + confusion[j, i]) / max(1, confusion[[i, j]].sum())
        found.append({"classes": [classes[i], classes[j]], "confused": round(share, 4)})
    return sorted(found, key=lambda pair: -pair["confused"])


def not_told_apart(confusion: np.ndarray, classes: Sequence[str]) -> list[dict[str, Any]]:
    """The `confusions` of at least a fifth."""
    return [pair for pair in confusions(confusion, classes) if pair["confused"] >= CONFUSED]


def difference(models: dict[str, Any], without: str) -> dict[str, float | None]:
    """How much more "both" reaches than the model `without`, seed by seed: the mean, and its standard error."""
    both, other = (np.array([row["test_accuracy"] for row in models[name]["seeds"]]) for name in ("both", without))
    found = both - other
    error = float(found.std(ddof=1)) / len(found) ** 0.5 if len(found) > 1 else None
    return {"mean": float(found.mean()), "standard_error": error}


def _verdict(name: str, found: dict[str, Any]) -> str:
    said = f"{WITHOUT[name]}: {100 * found['mean']:+.1f} points of accuracy"
    error = found["standard_error"]
    if error is None:
        return f"{said} with one seed"
    said += f", standard error {100 * error:.1f}"
    if abs(found["mean"]) <= 2 * error:
        return f"{said}: within two of these, so they are not shown to matter"
    return f"{said}: beyond two of these, so they {'help' if found['mean'] > 0 else 'do harm'}"


def _said(model: dict[str, Any]) -> list[str]:
    """The pairs that a model does not tell apart; where it has none, the one that it confuses most."""
    if model["not_told_apart"]:
        return [_named(pair) for pair in model["not_told_apart"]]
    most = model["most_confused"]
    return [f"none (most: {_named(most)})" if most["confused"] else "none"]


def _named(pair: dict[str, Any]) -> str:
    return f"{' / '.join(pair['classes'])} {100 * pair['confused']:.0f} %"


def table(metrics: dict[str, Any]) -> str:
    """The comparison as lines for the terminal."""
    models = metrics["models"]
    lines = [f"  {'model':<14}{'test accuracy':<18}{'seeds':>5}{'parameters':>12}  takes for each other, 20 % or more"]
    for name, model in models.items():
        pairs = _said(model)
        start = f"  {NAMES[name]:<14}{percent(model['test_accuracy']):<18}{len(model['seeds']):>5}"
        start += f"{model['parameters']:>12,}  "
        lines.append(start + pairs[0])
        lines += [" " * len(start) + pair for pair in pairs[1:]]
    lines += [f"  {name.replace('_', ' '):<20}{100 * value:.1f} %" for name, value in metrics["baselines"].items()]
    lines += [f"  {_verdict(name, found)}" for name, found in metrics.get("differences", {}).items()]
    return "\n".join(lines)


def draw_comparison(metrics: dict[str, Any], path: Path) -> Path:
    """Draw the confusion matrices side by side, with the pairs that a model cannot tell apart framed and named."""
    classes = metrics["classes"]
    models = metrics["models"]
    lines = min(9, max(len(_said(model)) for model in models.values()))
    height = 6.2 + 0.2 * lines + 0.06 * max(map(len, classes))
    figure = Figure(figsize=(5 * len(models), height), layout="constrained")
    figure.suptitle(plain(f"{Path(metrics['data']).name}: space, time, and both"))
    names = [plain(name) for name in classes]
    for axis, (name, model) in zip(figure.subplots(1, len(models)), models.items(), strict=True):
        axis.set_anchor("N")
        counts = np.array(model["confusion"], dtype=float)
        share = counts / np.maximum(1, counts.sum(1, keepdims=True))
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for i, j in np.argwhere(share >= 0.01):
            axis.text(
                j, i, f"{100 * share[i, j]:.0f}", ha="center", va="center", fontsize=8,
                color="white" if share[i, j] > 0.5 else "black",
            )  # fmt: skip
        for a, b in ([classes.index(one) for one in pair["classes"]] for pair in model["not_told_apart"]):
            for row, column in ((a, b), (b, a)):
                frame = Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="#D55E00", linewidth=1.8)
                axis.add_patch(frame)
        axis.set_xticks(range(len(classes)), names, rotation=60, ha="right", fontsize=8)
        axis.set_yticks(range(len(classes)), names if name == COMPARED[0] else [], fontsize=8)
        axis.set_title(f"{NAMES[name]}: {percent(model['test_accuracy'])}", fontsize=11)
        said = _said(model)
        label = "takes for each other, 20 % or more:\n" + "\n".join(said[:8] + ["..."] * (len(said) > 8))
        axis.set_xlabel(plain(f"predicted, % of the true class\n\n{label}"), fontsize=9)
    return write_whole(path, lambda beside: figure.savefig(beside, dpi=130, bbox_inches="tight"))
