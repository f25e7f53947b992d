"""Q3.5: order, structure, and videos that need both: three models on the same clips."""

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from matplotlib.figure import Figure as Drawing

from graphreel.experiments import compare as combined_compare
from graphreel.experiments.combined_settings import ClipSettings, CompareSettings
from graphreel.inspect.clip_attention import draw as draw_attention
from graphreel.report.answer import Answer, Block, Figure, Finding, Table
from graphreel.report.section import Equation, Section
from graphreel.report.wording import many, share
from graphreel.report.workspace import Workspace
from graphreel.training.curves import BLUE, GREY, ORANGE
from graphreel.training.run_folder import RunFolder
from graphreel.training.summary import percent

MODELS = {"gnn": "graph network alone", "rnn": "recurrent network alone", "both": "both"}
OPPOSITE = {"right": "left", "left": "right", "nearer": "farther", "farther": "nearer"}


@dataclass(frozen=True)
class Sizes:
    """What is trained.

    Attributes:
        seeds, epochs: of each of the three models.
        keypoint_seeds: on keypoints from real videos; 0 leaves them out.
    """

    seeds: int = 5
    epochs: int = 40
    keypoint_seeds: int = 5


def run(sizes: Sizes, workspace: Workspace) -> Answer:
    typed = {"seeds": sizes.seeds, "epochs": sizes.epochs}
    compared = _compare(workspace, "digits", "digits", typed)
    metrics = compared.metrics()
    models, classes = metrics["models"], metrics["classes"]
    options = " ".join(f"--{name} {value}" for name, value in typed.items())
    halves = {name: told_apart(models[name]["confusion"], classes) for name in MODELS}
    right = {name: models[name]["test_accuracy"]["mean"] for name in MODELS}
    numbers = {"models": models, "classes": classes, "told_apart": halves}
    strip = draw_attention(compared.path / "both", "0", workspace.folder / "strip.png")[0]
    blocks: list[Block] = [
        _bars(workspace, halves),
        _table(
            f"The digits: the same clips, the same training, parameters within {share(_spread(models))}", models, halves
        ),
        workspace.picture(
            "compare",
            compared.path / "compare.png",
            "Confusion matrices of the three models; framed are the pairs of classes that a model cannot tell apart.",
            "Which classes are taken for which (per cent of the true class; framed: pairs not told apart).",
            wide=True,
        ),
        workspace.picture(
            "strip",
            strip,
            "Frames of a clip with its digits as nodes, edges as wide as their attention, and a bar for the weight of "
            "each frame below.",
            "The combined model at work on a test clip: to whom each digit listens (the wider the line, the more), and "
            "the frames that the answer rests on (orange: those shown above).",
            wide=True,
        ),
    ]
    if sizes.keypoint_seeds and "jhmdb" in workspace.on_disk:
        path = workspace.on_disk["jhmdb"]
        real = _compare(workspace, path, "keypoints", {"seeds": sizes.keypoint_seeds}).metrics()["models"]
        blocks.append(_table("Keypoints of people in real videos (JHMDB, split 1)", real, {}))
        numbers["keypoints"] = real
    return Answer(
        "completed",
        "Measured: on clips that differ in structure and in order both networks together are right on "
        f"{share(right['both'])}, the graph network alone on {share(right['gnn'])}, the recurrent one alone on "
        f"{share(right['rnn'])}.",
        _findings(halves, right, len(classes)),
        blocks,
        numbers,
        {
            f"graphreel combined compare --data digits {options} --out RUN": "The three models and `RUN/compare.png`:",
            "graphreel combined attention RUN/both 0": "The strip, and a moving picture beside it:",
        },
        f"{many(sizes.seeds, 'seed')} of each model, {sizes.epochs} epochs.",
    )


def _compare(workspace: Workspace, data: str, kind: str, typed: dict[str, Any]) -> RunFolder:
    settings = CompareSettings.resolve(data, typed, kind)
    return workspace.trainings.train(f"compare-{kind}", settings, combined_compare.start, _resume)


def _resume(path: Path, quiet: bool) -> RunFolder:
    run_folder = RunFolder.open(path, "combined")
    return combined_compare.go_on(run_folder, ClipSettings.from_dict(run_folder.config()), quiet)


def _spread(models: dict[str, Any]) -> float:
    counts = [model["parameters"] for model in models.values()]
    return max(counts) / min(counts) - 1


def _findings(halves: dict[str, dict[str, float]], right: dict[str, float], classes: int) -> list[Finding]:
    gnn, rnn, both = (halves[name] for name in MODELS)
    blind_to_order = gnn["order"] < 0.6 < rnn["order"]
    blind_to_structure = rnn["structure"] < 0.6 < gnn["structure"]
    needs_both = right["both"] > max(right["gnn"], right["rnn"])
    return [
        Finding(
            "a",
            "confirmed" if blind_to_order else "corrected",
            f"Which way time runs the graph network alone says rightly in {share(gnn['order'])} of the clips (a coin: "
            f"50 %), the recurrent one in {share(rnn['order'])}.",
        ),
        Finding(
            "b",
            "confirmed" if blind_to_structure else "corrected",
            "Who stands by whom the recurrent network alone, which sees no edges, says rightly in "
            f"{share(rnn['structure'])}, the graph network in {share(gnn['structure'])}.",
        ),
        Finding(
            "c",
            "completed" if needs_both else "corrected",
            f"The report says so without showing it. Of the {classes} classes here the combined model tells structure "
            f"in {share(both['structure'])} and order in {share(both['order'])} of the clips.",
        ),
    ]


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


def _table(caption: str, models: dict[str, Any], halves: dict[str, dict[str, float]]) -> Table:
    head = ["model", "test accuracy", "parameters", "time a seed"]
    if halves:
        head[2:2] = ["structure (chance 50 %)", "order (chance 50 %)"]
    rows = []
    for name, title in MODELS.items():
        model = models[name]
        seconds = fmean(row["seconds"] for row in model["seeds"])
        told = [share(halves[name][half]) for half in ("structure", "order")] if halves else []
        accuracy = model["test_accuracy"]
        said = percent(accuracy) if len(model["seeds"]) > 1 else share(accuracy["mean"])
        rows.append([title, said, *told, f"{model['parameters']:,}", f"{seconds:.0f} s"])
    return Table(caption, head, rows)


def _bars(workspace: Workspace, halves: dict[str, dict[str, float]]) -> Figure:
    drawing = Drawing(figsize=(5.6, 3.8), layout="constrained")
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
    said = "; ".join(
        f"{title}: structure {halves[name]['structure']:.2f}, order {halves[name]['order']:.2f}"
        for name, title in MODELS.items()
    )
    return workspace.figure(
        "told-apart",
        drawing,
        f"Bars of how often each model is right about structure and about order. {said}.",
        "What each model can tell: who stands by whom (structure), and which way time runs (order).",
    )


SECTION = Section(
    id="Q3.5",
    title="Order, structure, and videos that have both",
    question="Where does a recurrent network win, where a graph network, and what takes both?",
    equations=(
        Equation(
            r"Z = \sigma(\operatorname{GNN}(X, E))"
            "\n"
            r"f_t = \operatorname{pool}\{\, z_i \mid i \in \text{frame } t \,\}",
            "In space: one graph over all frames, with edges within a frame and from a frame to the next, pooled "
            "frame by frame:",
        ),
        Equation(
            r"(h_1, \dots, h_T) = \operatorname{RNN}(f_1, \dots, f_T)"
            "\n"
            r"\hat y = \operatorname{softmax}\left( W \sum\limits_t \alpha_t h_t + b \right)",
            "In time: a recurrent network over the frames, summed up by their weights:",
        ),
    ),
    claims={
        "a": "RNNs win on temporal data, since a graph has no order.",
        "b": "GNNs win on structured data.",
        "c": "Videos need both.",
    },
    run=run,
    sizes={"quick": Sizes(seeds=1, epochs=25, keypoint_seeds=0), "full": Sizes()},
    expected={"quick": 30, "full": 1100},
    uses=("jhmdb",),
)
