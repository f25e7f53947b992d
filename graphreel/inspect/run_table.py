"""The runs below a folder, each with what tells it from the others."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphreel.training.run_folder import RunFolder
from graphreel.training.settings import BESIDE


@dataclass(frozen=True)
class RunEntry:
    """A run in a table of runs.

    Attributes:
        run: its folder.
        name: the folder's path below the table's.
        model: what metrics.json would call the model.
        differing: the settings in which it is not like all others on the same data with the same model.
        metrics: as in metrics.json; empty where the run is not finished.
    """

    run: RunFolder
    name: str
    config: Mapping[str, Any]
    model: str
    differing: Mapping[str, Any]
    metrics: Mapping[str, Any]

    @property
    def figures(self) -> dict[str, Mapping[str, float]]:
        """Every figure that has a mean and a deviation over seeds; of a comparison, one for each model."""
        compared = {name: model.get("test_accuracy") for name, model in self.metrics.get("models", {}).items()}
        return {name: value for name, value in {**self.metrics, **compared}.items() if _is_figure(value)}

    @property
    def pictures(self) -> list[Path]:
        """What can be looked at: pictures and pages."""
        return [path for kind in ("*.png", "*.svg", "*.gif", "*.html") for path in sorted(self.run.path.glob(kind))]


def runs_below(folder: Path) -> list[RunEntry]:
    """The runs in a folder and below it, by name.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    if not folder.is_dir():
        raise FileNotFoundError(2, "no such folder", str(folder))
    found = [RunFolder(config.parent) for config in sorted(folder.rglob("config.json"))]
    configs = {run: run.config() for run in found if run.is_run}
    return [
        RunEntry(
            run,
            str(run.path.relative_to(folder)),
            config,
            _model_of(config),
            dict(_differing(config, [other for other in configs.values() if _key(other) == _key(config)])),
            run.metrics() if run.metrics_path.is_file() else {},
        )
        for run, config in configs.items()
    ]


def entry(path: Path) -> RunEntry:
    """One finished run.

    Raises:
        FileNotFoundError, ValueError: it is no run folder, or not finished.
    """
    run = RunFolder.open(path)
    if not run.metrics_path.is_file():
        raise ValueError(f"{path} is not finished: it has no metrics.json yet")
    return RunEntry(run, str(path), run.config(), _model_of(run.config()), {}, run.metrics())


def _is_figure(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("mean"), int | float) and "std" in value


def _key(config: Mapping[str, Any]) -> tuple[Any, ...]:
    return config.get("data"), _model_of(config)


def _model_of(config: Mapping[str, Any]) -> str:
    if config.get("kind") == "compare":
        return "compare"
    named = config.get("compared") or config.get("model") or config.get("cell")
    return str(named or f"{config.get('spatial')}+{config.get('temporal')}")


def _differing(config: Mapping[str, Any], alike: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    alike = list(alike)
    for name, value in config.items():
        if name not in BESIDE | {"seeds", "device", "log"} and any(other.get(name, value) != value for other in alike):
            yield name, value
