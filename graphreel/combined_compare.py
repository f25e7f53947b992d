"""`graphreel combined compare`: a GNN alone, an RNN alone, and both, on the same clips."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import typer
from matplotlib.figure import Figure

from graphreel.combined_clips import load_clips, train_clips
from graphreel.combined_settings import COMPARED, ClipSettings
from graphreel.figures import percent
from graphreel.files import write_whole
from graphreel.options import choose_device
from graphreel.run_folder import RunFolder, chosen_path

NAMES = {"both": "both", "gnn": "GNN alone", "rnn": "RNN alone"}
CONFUSED = 0.2  # share of two classes' clips taken for each other from which they count as not told apart


def start(settings: ClipSettings, out: Path | None, overwrite: bool, quiet: bool) -> RunFolder:
    """Make a run folder, with one in it for each model, and train the three.

    Raises:
        ValueError, OSError: bad settings, data or folder; nothing is written then.
    """
    settings = replace(settings, device=choose_device(settings.device))
    splits = load_clips(settings)
    path = chosen_path(out, f"{Path(settings.data).stem}-compare")
    run = RunFolder.create(path, {"room": "combined", "kind": "compare", **settings.as_dict()}, overwrite)
    for name in COMPARED:
        _make_part(run, settings, name)
    return go_on(run, settings, quiet, splits)


def go_on(run: RunFolder, settings: ClipSettings, quiet: bool, splits: Any = None) -> RunFolder:
    """Train what is not trained yet, then write metrics.json and compare.png."""
    splits = splits if splits is not None else load_clips(settings)
    models = {}
    for name in COMPARED:
        part = RunFolder(run.path / name)
        if not part.config_path.is_file():
            _make_part(run, settings, name)
        metrics = train_clips(part, replace(settings, compared=name), splits, quiet)
        confusion = np.sum([row["confusion"] for row in metrics["seeds"]], axis=0)
        models[name] = {
            **{key: metrics[key] for key in ("test_accuracy", "val_accuracy", "parameters")},
            "confusion": confusion.tolist(),
            "not_told_apart": not_told_apart(confusion, splits.classes),
            "seeds": [{k: v for k, v in row.items() if k != "confusion"} for row in metrics["seeds"]],
        }
    metrics = {
        "data": settings.data,
        "models": models,
        "classes": list(splits.classes),
        "baselines": {"majority": splits.majority()},
    }
    run.write_metrics(metrics)
    picture = draw_comparison(metrics, run.path / "compare.png")
    if not quiet:
        typer.echo(table(metrics))
        typer.echo(f"  in {run.path}: metrics.json, {picture.name}, and a run folder for each model")
    return run


def not_told_apart(confusion: np.ndarray, classes: Sequence[str]) -> list[dict[str, Any]]:
    """Pairs of classes of whose clips at least a fifth is taken for the other class, the most confused first.

    Args:
        confusion: counts [true class, predicted class].
        classes: their names.
    """
    found = []
    for i in range(len(classes)):
        for j in range(i + 1, len(classes)):
            clips = max(1, confusion[[i, j]].sum())
            share = float(confusion[i, j] + confusion[j, i]) / clips
            if share >= CONFUSED:
                found.append({"classes": [classes[i], classes[j]], "confused": round(share, 4)})
    return sorted(found, key=lambda pair: -pair["confused"])


def table(metrics: dict[str, Any]) -> str:
    """The comparison as lines for the terminal."""
    models = metrics["models"]
    lines = [f"  {'model':<12}{'test accuracy':<18}{'seeds':>5}{'parameters':>12}  cannot tell apart"]
    for name in COMPARED:
        model = models[name]
        pairs = [" / ".join(pair["classes"]) for pair in model["not_told_apart"]]
        start = f"  {NAMES[name]:<12}{percent(model['test_accuracy']):<18}{len(model['seeds']):>5}"
        start += f"{model['parameters']:>12,}  "
        lines.append(start + (pairs[0] if pairs else "-"))
        lines += [" " * len(start) + pair for pair in pairs[1:]]
    lines.append(f"  {'majority':<12}{100 * metrics['baselines']['majority']:.1f} %")
    return "\n".join(lines)


def draw_comparison(metrics: dict[str, Any], path: Path) -> Path:
    """Draw the confusion matrices side by side, with the pairs that a model cannot tell apart framed and named."""
    classes = metrics["classes"]
    lines = min(9, max(len(metrics["models"][name]["not_told_apart"]) for name in COMPARED))
    figure = Figure(figsize=(15, 7.5 + 0.2 * lines), layout="constrained")
    figure.suptitle(f"{Path(metrics['data']).name}: space, time, and both")
    for axis, name in zip(figure.subplots(1, 3), COMPARED, strict=True):
        model = metrics["models"][name]
        counts = np.array(model["confusion"], dtype=float)
        share = counts / np.maximum(1, counts.sum(1, keepdims=True))
        axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for i, j in np.argwhere(share >= 0.01):
            axis.text(
                j, i, f"{100 * share[i, j]:.0f}", ha="center", va="center", fontsize=8,
                color="white" if share[i, j] > 0.5 else "black",
            )  # fmt: skip
        pairs = [pair["classes"] for pair in model["not_told_apart"]]
        for a, b in pairs:
            for i, j in ((classes.index(a), classes.index(b)), (classes.index(b), classes.index(a))):
                axis.add_patch(_frame(i, j))
        axis.set_xticks(range(len(classes)), classes, rotation=60, ha="right", fontsize=8)
        axis.set_yticks(range(len(classes)), classes if name == COMPARED[0] else [], fontsize=8)
        axis.set_title(f"{NAMES[name]}: {percent(model['test_accuracy'])}", fontsize=11)
        listed = [f"{a} / {b}" for a, b in pairs[:8]] + ["..."] * (len(pairs) > 8)
        label = "cannot tell apart:\n" + "\n".join(listed) if pairs else "tells every pair apart"
        axis.set_xlabel(f"predicted, % of the true class\n\n{label}", fontsize=9)
    return write_whole(path, lambda beside: figure.savefig(beside, dpi=130))


def _frame(row: int, column: int) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="#D55E00", linewidth=1.8)


def _make_part(run: RunFolder, settings: ClipSettings, name: str) -> RunFolder:
    config = {"room": "combined", "kind": "clips", **replace(settings, compared=name).as_dict()}
    return RunFolder.create(run.path / name, config, overwrite=True)
