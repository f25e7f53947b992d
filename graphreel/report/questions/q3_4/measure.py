"""What graph networks are for: molecules and social networks, run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphreel.experiments.graph_settings import GnnSettings
from graphreel.inspect.graph_attention import draw as draw_attention
from graphreel.report.workspace import Workspace
from graphreel.training.curves import draw_curves

MOLECULES = {"alkanes": "the alkanes", "mutag": "MUTAG"}


@dataclass(frozen=True)
class Sizes:
    """Seeds on the social network, folds, epochs and networks a fold on the molecules, seeds on Cora (0: not run)."""

    seeds: int = 10
    folds: int = 10
    epochs: int = 100
    members: int = 1
    cora_seeds: int = 0


SIZES = {"quick": Sizes(), "full": Sizes(seeds=100, folds=100, epochs=200, members=5, cora_seeds=20)}
SECONDS = {"quick": 13, "full": 300}
USES = ("mutag", "cora")


def measure(sizes: Sizes, workspace: Workspace) -> dict[str, Any]:
    molecules = [data for data in MOLECULES if data == "alkanes" or data in workspace.on_disk]
    cora = sizes.cora_seeds and "cora" in workspace.on_disk
    of_molecules = {"seeds": sizes.folds, "epochs": sizes.epochs, "members": sizes.members}
    plan: dict[tuple[str, str], dict[str, int]] = {(data, "gcn"): of_molecules for data in molecules}
    plan |= {("karate", model): {"seeds": sizes.seeds} for model in ("gcn", "gat")}
    plan |= {("cora", model): {"seeds": sizes.cora_seeds} for model in ("gcn", "gat") if cora}
    runs = {}
    for (data, model), typed in plan.items():
        alone = {"blend": False} if data in MOLECULES else {}  # what a network says by itself
        settings = GnnSettings.resolve(data, {"model": model, **typed, **alone})
        trained = workspace.trainings.train(f"{data}-{model}", settings)
        metrics = trained.metrics()
        runs[f"{data}-{model}"] = {
            **{key: metrics[key] for key in ("data", "model", "test_accuracy", "baselines", "parameters", "seeds")},
            "options": typed,
        }
    for data in molecules:
        level = {"chance (majority class)": runs[f"{data}-gcn"]["baselines"]["majority"]}
        draw_curves(
            workspace.trainings.history(f"{data}-gcn"),
            {"validation accuracy": ("val_accuracy",)},
            workspace.folder / f"{data}.svg",
            f"{MOLECULES[data]}, GCN",
            {"validation accuracy": level},
        )
    picture = workspace.folder / "karate-attention.png"
    workspace.picture(
        "karate-attention", draw_attention(workspace.trainings.folder / "karate-gat", "Mr. Hi", 1, 0, picture)[0]
    )
    return {"runs": runs, "molecules": {data: MOLECULES[data] for data in molecules}}


def verdicts(numbers: Mapping[str, Any]) -> dict[str, str]:
    """The report names the fields; each is shown if the graph networks are right more often than the majority class."""
    better: dict[str, list[bool]] = {"a": [], "b": []}
    for run in numbers["runs"].values():
        part = "a" if run["data"] in MOLECULES else "b"
        better[part].append(run["test_accuracy"]["mean"] > run["baselines"]["majority"])
    return {part: "completed" if all(found) else "corrected" for part, found in better.items()}
