"""Q3.4: what graph networks are for: a molecule data set and social networks, run."""

from dataclasses import dataclass
from typing import Any

from graphreel.curves import draw_curves
from graphreel.figures import percent
from graphreel.gnn_attention import draw as draw_attention
from graphreel.gnn_settings import GnnSettings
from graphreel.gnn_training import resume_training, start_training
from graphreel.report.answer import Answer, Block, Figure, Finding, Table, Text
from graphreel.report.section import Equation, Section
from graphreel.report.wording import share
from graphreel.report.workspace import Workspace


@dataclass(frozen=True)
class Sizes:
    """Seeds on the social network, folds and epochs on the molecules, seeds on Cora (0: not run)."""

    seeds: int = 10
    folds: int = 10
    epochs: int = 100
    cora_seeds: int = 0


def run(sizes: Sizes, workspace: Workspace) -> Answer:
    runs: dict[str, dict[str, Any]] = {}
    pictures: list[Figure] = []

    def train(data: str, model: str, typed: dict[str, Any]) -> str:
        settings = GnnSettings.resolve(data, model, typed)
        name = f"{data}-{model}"
        trained = workspace.trainings.train(name, settings, start_training, resume_training)
        runs[name] = trained.metrics()
        return name

    if "mutag" in workspace.on_disk:
        name = train("mutag", "gcn", {"seeds": sizes.folds, "epochs": sizes.epochs})
        pictures.append(_curves(workspace, name, runs[name]["baselines"]["majority"]))
    for model in ("gcn", "gat"):
        train("karate", model, {"seeds": sizes.seeds})
    if sizes.cora_seeds and "cora" in workspace.on_disk:
        for model in ("gcn", "gat"):
            train("cora", model, {"seeds": sizes.cora_seeds})
    drawn = draw_attention(
        workspace.trainings.folder / "karate-gat", "Mr. Hi", 1, 0, workspace.folder / "karate-attention.png"
    )
    pictures.append(
        workspace.picture(
            "karate-attention",
            drawn[0],
            "Mr. Hi and the members whom he met, drawn as a graph; the width and colour of a line is the attention "
            "that "
            "Mr. Hi's node pays to a neighbour.",
            "The social network: to whom the trained GAT listens when it decides on which side Mr. Hi is.",
            wide=True,
        )
    )
    return Answer(
        "completed",
        _summary(runs),
        [_molecules(runs), _social(runs)],
        [_table(runs), *pictures, *_remarks(runs)],
        {
            name: {key: metrics[key] for key in ("test_accuracy", "baselines", "parameters")}
            for name, metrics in runs.items()
        },
        {
            f"graphreel gnn train --data {metrics['data']} --model {metrics['model']} --seeds {len(metrics['seeds'])}"
            + (
                f" --epochs {sizes.epochs}" if metrics["data"] == "mutag" else ""
            ): f"Ends with {percent(metrics['test_accuracy'])}:"
            for metrics in runs.values()
        },
        sizes=_sizes(sizes, workspace),
    )


def _sizes(sizes: Sizes, workspace: Workspace) -> str:
    said = f"{sizes.seeds} seeds on the karate club, which comes with networkx"
    if "mutag" in workspace.on_disk:
        said += f"; {sizes.folds} folds of {sizes.epochs} epochs on MUTAG, which was found on disk"
    if sizes.cora_seeds and "cora" in workspace.on_disk:
        said += f"; {sizes.cora_seeds} seeds on Cora, which was found on disk"
    return f"{said}."


def _summary(runs: dict[str, dict[str, Any]]) -> str:
    karate = max((runs[name] for name in ("karate-gcn", "karate-gat")), key=lambda m: m["test_accuracy"]["mean"])
    accuracy = percent(karate["test_accuracy"])
    said = f"Both fields are real: on a social network a graph network is right on {accuracy} of the people"
    if "mutag-gcn" in runs:
        return f"{said}, on molecules on {percent(runs['mutag-gcn']['test_accuracy'])} of the compounds."
    return f"{said}; the molecules of MUTAG are not on this disk."


def _molecules(runs: dict[str, dict[str, Any]]) -> Finding:
    metrics = runs.get("mutag-gcn")
    if metrics is None:
        return Finding(
            "a",
            "completed",
            "Not run here, since MUTAG is not on disk: put `MUTAG.txt` into `$GRAPHREEL_DATA/mutag` and run this "
            "section again.",
        )
    return Finding(
        "a",
        "completed",
        f"The report names the field and shows nothing. Whether a molecule of MUTAG is mutagenic, a GCN says from its "
        f"atoms "
        f"and bonds with {percent(metrics['test_accuracy'])} accuracy in {len(metrics['seeds'])} folds (the majority "
        f"class: "
        f"{share(metrics['baselines']['majority'])}).",
    )


def _social(runs: dict[str, dict[str, Any]]) -> Finding:
    gcn, gat = runs["karate-gcn"], runs["karate-gat"]
    text = (
        f"Which club a member of Zachary's karate club joined after its split, a GCN says from friendships alone with "
        f"{percent(gcn['test_accuracy'])} accuracy, a GAT with {percent(gat['test_accuracy'])} (majority "
        f"{share(gcn['baselines']['majority'])}, without the edges {share(gcn['baselines']['logistic_regression'])})."
    )
    return Finding("b", "completed", text)


def _table(runs: dict[str, dict[str, Any]]) -> Table:
    rows = []
    for metrics in runs.values():
        base = metrics["baselines"]
        without = share(base["logistic_regression"]) if "logistic_regression" in base else "—"
        seconds = sum(row["seconds"] for row in metrics["seeds"]) / len(metrics["seeds"])
        rows.append(
            [
                metrics["data"],
                metrics["model"].upper(),
                percent(metrics["test_accuracy"]),
                share(base["majority"]),
                without,
                f"{metrics['parameters']:,}",
                f"{seconds:.2f} s",
            ]
        )
    head = ["data", "model", "test accuracy", "majority class", "without edges", "parameters", "time a seed"]
    return Table("Mean and standard deviation over seeds (of MUTAG: over folds)", head, rows)


def _curves(workspace: Workspace, name: str, majority: float) -> Figure:
    path = draw_curves(
        workspace.trainings.history(name),
        {"validation accuracy": ("val_accuracy",)},
        workspace.folder / "mutag.svg",
        "MUTAG, GCN",
        {"validation accuracy": {"chance (majority class)": majority}},
    )
    return workspace.picture(
        "mutag",
        path,
        "Validation accuracy on MUTAG over training, above the dashed line of the majority class.",
        "The molecules: each fold thin, their mean thick, and the chance level.",
    )


def _remarks(runs: dict[str, dict[str, Any]]) -> list[Block]:
    said: list[Block] = [
        Text(
            "A molecule is one graph with one label, so the features of its nodes are summed before the answer; in a "
            "social "
            "network every person is a node with a label of its own."
        )
    ]
    if "cora-gcn" in runs:
        gcn, gat = percent(runs["cora-gcn"]["test_accuracy"]), percent(runs["cora-gat"]["test_accuracy"])
        said.append(
            Text(f"On Cora, where papers cite each other, the same two models reach {gcn} (GCN) and {gat} (GAT).")
        )
    return said


SECTION = Section(
    id="Q3.4",
    title="What graph networks are for",
    question="Which applications do graph networks have, and how well do they do there?",
    equations=(
        Equation(
            r"\hat y_i = \operatorname{softmax}(W h_i^{(K)})",
            "One answer per node, as for people in a social network:",
        ),
        Equation(
            r"\hat y = \operatorname{softmax}\left( W \sum_i h_i^{(K)} \right)",
            "One answer per graph, as for molecules:",
        ),
    ),
    claims={
        "a": "Molecules: embeddings, generation, reactivity (Chem. Sci. 2019, 10, 370-377).",
        "b": "Social networks: predicting a person's features, targeted advertising.",
    },
    run=run,
    sizes={"quick": Sizes(), "full": Sizes(seeds=100, folds=100, epochs=200, cora_seeds=20)},
    expected={"quick": 20, "full": 300},
    uses=("mutag", "cora"),
)
