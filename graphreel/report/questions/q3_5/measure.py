"""Order, structure, and videos that need both: three models on the same clips."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure

from graphreel.data.examples import write_example
from graphreel.experiments.clip_settings import ClipSettings, CompareSettings
from graphreel.inspect.clip_attention import draw as draw_attention
from graphreel.report.workspace import Workspace
from graphreel.training.curves import BLUE, GREY, ORANGE
from graphreel.training.run_folder import RunFolder

MODELS = {"gnn": "graph network alone", "rnn": "recurrent network alone", "both": "both"}
OPPOSITE = {"right": "left", "left": "right", "nearer": "farther", "farther": "nearer"}


@dataclass(frozen=True)
class Sizes:
    """What is trained.

    Attributes:
        seeds, epochs: of each of the three models.
        keypoint_seeds: on keypoints from real videos; 0 leaves them out.
        footage: whether also on videos, real ones where they are on disk.
    """

    seeds: int = 5
    epochs: int = 40
    keypoint_seeds: int = 5
    footage: bool = True


SIZES = {"quick": Sizes(seeds=1, epochs=25, keypoint_seeds=0), "full": Sizes()}
SECONDS = {"quick": 60, "full": 1200}
USES = ("jhmdb", "ut_interaction")
RECORDING = r"_(seq\d+)_"  # of a file of UT-Interaction


def measure(sizes: Sizes, workspace: Workspace) -> dict[str, Any]:
    compared = _compare(workspace, "digits", "digits", {"seeds": sizes.seeds, "epochs": sizes.epochs})
    metrics = compared.metrics()
    models, classes = metrics["models"], metrics["classes"]
    halves = {name: told_apart(models[name]["confusion"], classes) for name in MODELS}
    workspace.figure("told-apart", _bars(halves))
    workspace.picture("compare", compared.path / "compare.png")
    workspace.picture("strip", draw_attention(compared.path / "both", "0", workspace.folder / "strip.png")[0])
    numbers = {"titles": MODELS, "models": models, "classes": classes, "told_apart": halves, "keypoints": None}
    if sizes.keypoint_seeds and "jhmdb" in workspace.on_disk:
        typed = {"seeds": sizes.keypoint_seeds}
        numbers["keypoints"] = _compare(workspace, workspace.on_disk["jhmdb"], "keypoints", typed).metrics()["models"]
    readable = all(map(find_spec, ("av", "cv2")))
    numbers["footage"] = footage(workspace) if sizes.footage and readable else None
    return numbers


def footage(workspace: Workspace) -> dict[str, Any]:
    """Train on real videos where they are on disk, else on drawn ones of a ball, and draw a test clip."""
    real = workspace.on_disk.get("ut_interaction")
    folder = Path(real) if real else workspace.trainings.folder / "balls"
    if not folder.exists():
        write_example("videos", folder.with_name("unfinished"))
        folder.with_name("unfinished").rename(folder)
    typed = {"split_by": RECORDING} if real else {}
    trained = workspace.trainings.train("footage", ClipSettings.resolve(str(folder), typed, "videos"))
    workspace.picture("footage", draw_attention(trained.path, "0", workspace.folder / "footage.png")[0])
    metrics = trained.metrics()
    shown = {name: metrics[name] for name in ("classes", "test_accuracy", "baselines")}
    data = f"{folder} --split-by '{RECORDING}'" if real else "BALLS"
    return {**shown, "data": data, "real": bool(real)}


def verdicts(numbers: Mapping[str, Any]) -> dict[str, str]:
    """Alone, one network is no better than a coin (below 60 %) where the other is; both together are right more often.

    That videos need both the report says without showing it.
    """
    gnn, rnn, _ = (numbers["told_apart"][name] for name in MODELS)
    right = {name: numbers["models"][name]["test_accuracy"]["mean"] for name in MODELS}
    return {
        "a": "confirmed" if gnn["order"] < 0.6 < rnn["order"] else "corrected",
        "b": "confirmed" if rnn["structure"] < 0.6 < gnn["structure"] else "corrected",
        "c": "completed" if right["both"] > max(right["gnn"], right["rnn"]) else "corrected",
    }


def told_apart(confusion: list[list[int]], classes: list[str]) -> dict[str, float]:
    """How often a model is right on each half of a class's name, as "alike left": the structure and the order.

    Args:
        confusion: clips [true class][predicted class].
        classes: names of two words, structure and move; a move and its opposite are each other's reversals.

    Returns:
        "structure": share of the clips with the right first word; "order": share with the right second word, among
        those that are given that word or its opposite; chance is 0.5 for either.
    """
    counts = torch.tensor(confusion, dtype=torch.float64)
    words = [name.split() for name in classes]
    structure = torch.tensor([[a[0] == b[0] for b in words] for a in words])
    move = torch.tensor([[a[1] == b[1] for b in words] for a in words])
    pair = torch.tensor([[a[1] in (b[1], OPPOSITE[b[1]]) for b in words] for a in words])
    return {
        "structure": (counts[structure].sum() / counts.sum()).item(),
        "order": (counts[move].sum() / counts[pair].sum().clamp(min=1)).item(),
    }


def _compare(workspace: Workspace, data: str, kind: str, typed: dict[str, Any]) -> RunFolder:
    settings = CompareSettings.resolve(data, typed, kind)
    return workspace.trainings.train(f"compare-{kind}", settings)


def _bars(halves: dict[str, dict[str, float]]) -> Figure:
    drawing = Figure(figsize=(5.6, 3.8), layout="constrained")
    axis = drawing.subplots()
    for shift, (half, colour) in enumerate((("structure", BLUE), ("order", ORANGE))):
        values = [halves[name][half] for name in MODELS]
        bars = axis.bar([k + 0.4 * shift - 0.2 for k in range(len(values))], values, 0.38, color=colour, label=half)
        axis.bar_label(bars, [f"{value:.2f}" for value in values], fontsize=9)
    axis.axhline(0.5, color=GREY, linestyle="--", linewidth=1.2, label="chance")
    axis.set_xticks(range(len(MODELS)), [title.replace(" network ", "\nnetwork ") for title in MODELS.values()])
    axis.set_ylabel("share of test clips told rightly")
    axis.set_ylim(0, 1.12)
    axis.legend(frameon=False, ncols=3, loc="upper center", fontsize=9, bbox_to_anchor=(0.5, 1.12))
    return drawing
