"""Q3.4: what graph networks are for: a molecule data set and social networks, run."""

from dataclasses import dataclass
from typing import Any

from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.graphs import resume_training, start_training
from graphreel.inspect.graph_attention import draw as draw_attention
from graphreel.report.answer import Answer, Block, Figure, Finding, Table, Text
from graphreel.report.section import Equation, Section
from graphreel.report.wording import share
from graphreel.report.workspace import Workspace
from graphreel.training.curves import draw_curves
from graphreel.training.summary import percent

TITLES = {"alkanes": "the alkanes", "mutag": "MUTAG"}


@dataclass(frozen=True)
class Sizes:
    """Seeds on the social network, folds and epochs on the molecules, seeds on Cora (0: not run)."""

    seeds: int = 10
    folds: int = 10
    epochs: int = 100
    cora_seeds: int = 0


def run(sizes: Sizes, workspace: Workspace) -> Answer:
    runs: dict[str, dict[str, Any]] = {}

    def train(data: str, model: str, typed: dict[str, Any]) -> None:
        settings = GnnSettings.resolve(data, {"model": model, **typed})
        trained = workspace.trainings.train(f"{data}-{model}", settings, start_training, resume_training)
        runs[f"{data}-{model}"] = trained.metrics()

    molecules = ["alkanes", *(["mutag"] if "mutag" in workspace.on_disk else [])]
    for data in molecules:
        train(data, "gcn", {"seeds": sizes.folds, "epochs": sizes.epochs})
    people = ["karate", *(["cora"] if sizes.cora_seeds and "cora" in workspace.on_disk else [])]
    for data in people:
        for model in ("gcn", "gat"):
            train(data, model, {"seeds": sizes.seeds if data == "karate" else sizes.cora_seeds})
    curves = [_curves(workspace, data, runs[f"{data}-gcn"]["baselines"]["majority"]) for data in molecules]
    return Answer(
        "completed",
        f"Both are shown: in a social network a graph network is right on {percent(_best(runs, 'karate'))} of the "
        f"people, among molecules ({TITLES[molecules[-1]]}) on {percent(_best(runs, molecules[-1]))}.",
        [_molecules(runs), _social(runs)],
        [_table(runs), *curves, _karate(workspace), *_remarks(runs)],
        {
            name: {key: metrics[key] for key in ("test_accuracy", "baselines", "parameters")}
            for name, metrics in runs.items()
        },
        {_command(metrics, sizes): f"Ends with {percent(metrics['test_accuracy'])}:" for metrics in runs.values()},
        sizes=_sizes(sizes, runs),
    )


def _command(metrics: dict[str, Any], sizes: Sizes) -> str:
    said = f"graphreel gnn train --data {metrics['data']} --model {metrics['model']} --seeds {len(metrics['seeds'])}"
    return f"{said} --epochs {sizes.epochs}" if metrics["data"] in ("alkanes", "mutag") else said


def _sizes(sizes: Sizes, runs: dict[str, dict[str, Any]]) -> str:
    said = f"{sizes.seeds} seeds on the karate club, which comes with networkx; {sizes.folds} folds of "
    said += f"{sizes.epochs} epochs on the alkanes, which come with graphreel"
    if "mutag-gcn" in runs:
        said += ", and on MUTAG, which was found on disk"
    if "cora-gcn" in runs:
        said += f"; {sizes.cora_seeds} seeds on Cora, which was found on disk"
    return f"{said}."


def _best(runs: dict[str, dict[str, Any]], data: str) -> dict[str, float]:
    found = [metrics["test_accuracy"] for metrics in runs.values() if metrics["data"] == data]
    return max(found, key=lambda accuracy: accuracy["mean"])


def _karate(workspace: Workspace) -> Figure:
    picture = workspace.folder / "karate-attention.png"
    drawn = draw_attention(workspace.trainings.folder / "karate-gat", "Mr. Hi", 1, 0, picture)
    return workspace.picture(
        "karate-attention",
        drawn[0],
        "Mr. Hi and the members whom he met, drawn as a graph; the width and colour of a line is the attention that "
        "Mr. Hi's node pays to a neighbour.",
        "The social network: to whom the trained GAT listens when it decides on which side Mr. Hi is.",
        wide=True,
    )


def _molecules(runs: dict[str, dict[str, Any]]) -> Finding:
    alkanes, mutag = runs["alkanes-gcn"], runs.get("mutag-gcn")
    said = (
        "The report names the field and shows nothing. Whether an alkane boils above the middle of its isomers, a GCN "
        f"says from its skeleton with {percent(alkanes['test_accuracy'])} accuracy in {len(alkanes['seeds'])} folds "
        f"(the majority class: {share(alkanes['baselines']['majority'])})"
    )
    if mutag is None:
        return Finding("a", "completed", f"{said}. The full report takes MUTAG too, where it finds it on disk.")
    return Finding(
        "a",
        "completed",
        f"{said}; whether a compound of MUTAG is mutagenic, with {percent(mutag['test_accuracy'])} "
        f"({share(mutag['baselines']['majority'])}).",
    )


def _social(runs: dict[str, dict[str, Any]]) -> Finding:
    gcn, gat = runs["karate-gcn"], runs["karate-gat"]
    text = (
        "Which club a member of Zachary's karate club joined after its split, a GCN says from friendships alone with "
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
    return Table("Mean and standard deviation over seeds (of molecules: over folds)", head, rows)


def _curves(workspace: Workspace, data: str, majority: float) -> Figure:
    title = TITLES[data]
    path = draw_curves(
        workspace.trainings.history(f"{data}-gcn"),
        {"validation accuracy": ("val_accuracy",)},
        workspace.folder / f"{data}.svg",
        f"{title}, GCN",
        {"validation accuracy": {"chance (majority class)": majority}},
    )
    return workspace.picture(
        data,
        path,
        f"Validation accuracy of a GCN on {title} over training, beside the dashed line of the majority class.",
        f"Molecules, {title}: each fold thin, their mean thick, and the chance level.",
    )


def _remarks(runs: dict[str, dict[str, Any]]) -> list[Block]:
    said: list[Block] = [
        Text(
            "A molecule is one graph with one label, so the features of its nodes are summed before the answer; in a "
            "social network every person is a node with a label of its own."
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
            r"\hat y = \operatorname{softmax}\left( W \sum\limits_i h_i^{(K)} \right)",
            "One answer per graph, as for molecules:",
        ),
    ),
    claims={
        "a": "Molecules: embeddings, generation, reactivity (Chem. Sci. 2019, 10, 370-377).",
        "b": "Social networks: predicting a person's features, targeted advertising.",
    },
    run=run,
    sizes={"quick": Sizes(), "full": Sizes(seeds=100, folds=100, epochs=200, cora_seeds=20)},
    expected={"quick": 13, "full": 300},
    uses=("mutag", "cora"),
)
