"""What else hears of a training: TensorBoard, MLflow, Weights & Biases; in the run folder unless a server is named."""

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from graphreel.training.run_folder import RunFolder

Row = Mapping[str, Any]


class Tracker:
    """Hears of every validation and of the end; this one listens to nothing.

    Args:
        run: the run folder.
        settings: of the training.
    """

    def __init__(self, run: RunFolder, settings: Mapping[str, Any]) -> None:
        self.run, self.settings = run, settings

    def validated(self, row: Row) -> None:
        """A row of the history: seed, step and figures."""

    def finished(self, metrics: Mapping[str, Any], pictures: Sequence[Path]) -> None:
        """The content of metrics.json, and the pictures of the run."""


class TensorBoard(Tracker):
    """Event files in RUN/tensorboard, a folder a seed; what a resumed training passes again is purged."""

    def __init__(self, run: RunFolder, settings: Mapping[str, Any]) -> None:
        super().__init__(run, settings)
        self.writers: dict[int, Any] = {}

    def validated(self, row: Row) -> None:
        from torch.utils.tensorboard import SummaryWriter

        if row["seed"] not in self.writers:
            folder = self.run.path / "tensorboard" / f"seed-{row['seed']}"
            self.writers[row["seed"]] = SummaryWriter(str(folder), purge_step=row["step"])  # type: ignore[no-untyped-call]
        for name, value in _figures(row).items():
            self.writers[row["seed"]].add_scalar(name, value, row["step"])
        self.writers[row["seed"]].flush()

    def finished(self, metrics: Mapping[str, Any], pictures: Sequence[Path]) -> None:
        import numpy as np
        from PIL import Image
        from torch.utils.tensorboard import SummaryWriter

        writer: Any = SummaryWriter(str(self.run.path / "tensorboard"), purge_step=0)  # type: ignore[no-untyped-call]
        table = "\n".join(f"| {name} | {value} |" for name, value in self.settings.items())
        writer.add_text("settings", f"| setting | value |\n|---|---|\n{table}")
        for name, value in _means(metrics).items():
            writer.add_scalar(name, value)
        for picture in pictures:
            writer.add_image(picture.stem, np.array(Image.open(picture).convert("RGB")), dataformats="HWC")
        for one in (writer, *self.writers.values()):
            one.close()


class MLflow(Tracker):
    """A run in the experiment `graphreel`, in RUN/mlruns or on the server that MLFLOW_TRACKING_URI names."""

    def __init__(self, run: RunFolder, settings: Mapping[str, Any]) -> None:
        super().__init__(run, settings)
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # newer versions ask before they write plain files
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.tracking import MlflowClient

        place = os.environ.get("MLFLOW_TRACKING_URI") or (run.path.resolve() / "mlruns").as_uri()
        self.client: Any = MlflowClient(tracking_uri=place)
        experiment = self.client.get_experiment_by_name("graphreel")
        where = experiment.experiment_id if experiment else self.client.create_experiment("graphreel")
        tags = {"graphreel.run": str(run.path.resolve()), "mlflow.runName": run.path.name}
        begun = self.client.search_runs([where], f"tags.`graphreel.run` = '{tags['graphreel.run']}'")
        if begun and run.has_checkpoint:  # a resumed training goes on in its run
            self.id = begun[0].info.run_id
            return
        self.id = self.client.create_run(where, tags=tags).info.run_id
        for name, value in settings.items():
            self.client.log_param(self.id, name, value)

    def validated(self, row: Row) -> None:
        for name, value in _figures(row).items():
            self.client.log_metric(self.id, f"seed {row['seed']}/{name}", value, step=row["step"])

    def finished(self, metrics: Mapping[str, Any], pictures: Sequence[Path]) -> None:
        for name, value in _means(metrics).items():
            self.client.log_metric(self.id, name, value)
        for path in (self.run.config_path, self.run.metrics_path, *pictures):
            self.client.log_artifact(self.id, str(path))
        self.client.set_terminated(self.id)


class WeightsAndBiases(Tracker):
    """A run of the project `graphreel`, offline in RUN/wandb, or online where WANDB_API_KEY or WANDB_MODE says so."""

    def __init__(self, run: RunFolder, settings: Mapping[str, Any]) -> None:
        super().__init__(run, settings)
        import wandb

        self.wandb: Any = wandb
        mode = os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline")
        self.active = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "graphreel"), name=run.path.name, dir=str(run.path), mode=mode,  # type: ignore[arg-type]
            config=dict(settings), settings=wandb.Settings(silent=True, console="off", disable_git=True),
        )  # fmt: skip

    def validated(self, row: Row) -> None:
        head = f"seed {row['seed']}"
        self.active.define_metric(f"{head}/*", step_metric=f"{head}/step")
        self.active.log({f"{head}/{name}": value for name, value in {"step": row["step"], **_figures(row)}.items()})

    def finished(self, metrics: Mapping[str, Any], pictures: Sequence[Path]) -> None:
        self.active.summary.update(_means(metrics))
        self.active.log({picture.stem: self.wandb.Image(str(picture)) for picture in pictures})
        self.active.finish()


TRACKERS: dict[str, tuple[Callable[[RunFolder, Mapping[str, Any]], Tracker], str]] = {
    "tensorboard": (TensorBoard, "tensorboard"),
    "mlflow": (MLflow, "mlflow"),
    "wandb": (WeightsAndBiases, "wandb"),
}


def require_tracker(name: str) -> None:
    """See that the package of a tracker is there.

    Raises:
        ValueError: it is not; the sentence says how to get it.
    """
    if name and find_spec(TRACKERS[name][1]) is None:
        raise ValueError(f"--log {name} needs the extra `track` ({TRACKERS[name][1]}): pip install 'graphreel[track]'")


def open_tracker(name: str, run: RunFolder, settings: Mapping[str, Any]) -> Tracker:
    """The tracker of a name in `TRACKERS`, or where that is empty one that listens to nothing."""
    require_tracker(name)
    return TRACKERS[name][0](run, settings) if name else Tracker(run, settings)


def _figures(row: Row) -> dict[str, float]:
    return {name: float(value) for name, value in row.items() if name not in ("seed", "step") and value is not None}


def _means(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: value["mean"] for name, value in metrics.items() if isinstance(value, dict) and "mean" in value}
