"""`graphreel gnn train`: from settings to a run folder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import typer
from torch_geometric.data import Data

from graphreel.cli.options import choose_device
from graphreel.data.registry import load_to_train
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.graph_tasks import graph_set_task, node_task, num_classes_of, prepare_graph, steps_per_epoch
from graphreel.training.allocator import tune_allocator
from graphreel.training.curves import draw_curves
from graphreel.training.loop import Plan, train
from graphreel.training.progress import Progress
from graphreel.training.run_folder import RunFolder, chosen_path
from graphreel.training.summary import over, over_seeds, percent, summary
from graphreel.training.task import Task

FOLDS = 10
_LINEAR_UP_TO = 20_000  # training nodes; beyond, the logistic regression would take longer than the network


def start_training(settings: GnnSettings, out: Path | None, overwrite: bool, quiet: bool) -> RunFolder:
    """Make a run folder and train into it.

    Raises:
        ValueError, OSError: bad settings, data or folder; nothing is written then.
    """
    settings = replace(settings, device=choose_device(settings.device))
    source = load_for_training(settings.data)
    path = chosen_path(out, f"{Path(settings.data).stem}-{settings.model}")
    run = RunFolder.create(path, {"room": "gnn", **settings.as_dict()}, overwrite)
    return _train_into(run, settings, source, quiet)


def resume_training(path: Path, quiet: bool) -> RunFolder:
    """Go on with an interrupted run under its own settings; a finished one is only shown again."""
    run = RunFolder.open(path, "gnn")
    settings = GnnSettings.from_dict(run.config())
    choose_device(settings.device)
    return _train_into(run, settings, load_for_training(settings.data), quiet)


def go_on(run: RunFolder, settings: GnnSettings, quiet: bool) -> RunFolder:
    """Train into a run folder that exists, from its checkpoint where it has one."""
    return _train_into(run, settings, load_for_training(settings.data), quiet)


def load_for_training(name: str) -> Any:
    """A checked graph with masks, or a set of graphs."""
    source = load_to_train(name)
    if not isinstance(source, Data):
        return source
    from graphreel.data import check_graph

    check_graph(source)
    return source


def _baselines(graph: Data) -> dict[str, float]:
    """What a network must beat: the commonest class, and a linear model that sees no edges."""
    from graphreel.data import bag_of_words_accuracy, majority_accuracy

    baselines = {"majority": majority_accuracy(graph)}
    if int(graph.train_mask.sum()) <= _LINEAR_UP_TO:
        baselines["logistic_regression"] = bag_of_words_accuracy(graph)
    return baselines


def _train_into(run: RunFolder, settings: GnnSettings, source: Any, quiet: bool) -> RunFolder:
    tune_allocator()
    tests: dict[int, Any] = {}
    if isinstance(source, Data):
        graph = prepare_graph(source, settings, settings.device)
        per_epoch, kind = steps_per_epoch(graph, settings), "test nodes"
        baselines = _baselines(source)

        def build(seed: int) -> Task:
            task, tests[id(task.model)] = node_task(graph, num_classes_of(source), settings)
            return task

    else:
        per_epoch, kind = 1, f"graphs in {FOLDS} folds"
        baselines = {"majority": float(source.y.bincount().max() / len(source))}

        def build(seed: int) -> Task:
            task, tests[id(task.model)] = graph_set_task(
                source, seed % FOLDS, FOLDS, seed // FOLDS, settings, settings.device
            )
            return task

    plan = Plan(
        steps=settings.epochs * per_epoch,
        evaluate_every=per_epoch,
        monitor="val_rank" if settings.monitor == "val_accuracy" else settings.monitor,
        patience=settings.patience or None,
    )

    def test(task: Task) -> dict[str, Any]:
        return tests.pop(id(task.model))()

    extra = {"num_features": int((source if isinstance(source, Data) else source[0]).x.size(-1))}
    rows = train(run, settings.every_seed, plan, build, test, Progress(quiet), extra)
    parameters = rows[0]["parameters"]
    figures = over_seeds(rows, ("test_accuracy", "val_accuracy"))
    run.write_metrics(
        {
            "data": settings.data,
            "model": settings.model,
            "parameters": parameters,
            **figures,
            "baselines": baselines,
            "seeds": rows,
        }
    )
    draw_curves(
        run.load_checkpoint()["history"],
        {"loss (nats)": ("train_loss", "val_loss"), "validation accuracy": ("val_accuracy",)},
        run.curves_path,
        f"{settings.data}, {settings.model}",
        {"validation accuracy": {"chance (majority class)": baselines["majority"]}},
    )
    if not quiet:
        seconds = sum(row["seconds"] for row in rows) / len(rows)
        lines = {
            "data": f"{settings.data} ({kind})",
            "model": f"{settings.model}, {parameters:,} parameters",
            "test accuracy": over(percent(figures["test_accuracy"]), rows),
            "validation": percent(figures["val_accuracy"]),
            "baselines": ", ".join(f"{name.replace('_', ' ')} {100 * v:.1f} %" for name, v in baselines.items()),
            "time": f"{seconds:.2f} s a seed",
        }
        typer.echo(summary(lines, run))
    return run
