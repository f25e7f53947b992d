"""`graphreel runs`: a table of the run folders below a folder."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from graphreel.training.run_folder import FORMAT, RunFolder
from graphreel.training.settings import BESIDE
from graphreel.training.summary import percent

_WIDE = 200  # columns where the output is no terminal
_FIGURES = {"bits_per_char": "bits per character", "test_rmse": "test RMSE"}


def runs(folder: Annotated[Path, typer.Argument(help="Where to look.")] = Path("runs")) -> None:
    """Print a table of the runs below a folder: data, model, settings that differ, figures, baselines, pictures."""
    if not folder.is_dir():
        raise FileNotFoundError(2, "no such folder", str(folder))
    from rich.console import Console
    from rich.table import Table

    found = {run: run.metrics() if run.metrics_path.is_file() else {} for run in _runs_below(folder)}
    if not found:
        typer.echo(f"no run below {folder}")
        return
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDE)
    table = Table("run", "data", "model", "where they differ", "parameters", "result", "seeds", "baselines", box=None)
    for run, metrics in found.items():
        config = run.config()
        alike = [one.config() for one in found if _key(one.config()) == _key(config)]
        result = ", ".join(_result(metrics)) or "not finished"
        table.add_row(
            str(run.path.relative_to(folder)), str(config.get("data", "")), _model_of(config),
            ", ".join(_differing(config, alike)), f"{metrics['parameters']:,}" if "parameters" in metrics else "",
            result, str(config.get("seeds", "")), ", ".join(_baselines(metrics)),
        )  # fmt: skip
    console.print(table, highlight=False)
    if not all(found.values()):
        console.print("\n  what is not finished goes on with --resume RUN")
    console.print("\n  pictures:")
    for run in found:
        pictures = "  ".join(picture.name for picture in sorted(run.path.glob("*.png")))
        if pictures:
            console.print(f"  {run.path}/  {pictures}", highlight=False, soft_wrap=True)


def _runs_below(folder: Path) -> list[RunFolder]:
    found = [RunFolder(config.parent) for config in sorted(folder.rglob("config.json"))]
    return [run for run in found if run.config().get("format") == FORMAT]


def _key(config: Mapping[str, Any]) -> tuple[Any, ...]:
    return config.get("data"), _model_of(config)


def _model_of(config: Mapping[str, Any]) -> str:
    """What metrics.json would call the model."""
    kind = config.get("kind")
    if kind == "compare":
        return "compare"
    named = config.get("compared") or config.get("model") or config.get("cell")
    return str(named or f"{config.get('spatial')}+{config.get('temporal')}")


def _differing(config: Mapping[str, Any], alike: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The settings in which a run is not like all others on the same data with the same model."""
    alike = list(alike)
    for name, value in config.items():
        if name not in BESIDE | {"seeds", "device"} and any(other.get(name) != value for other in alike):
            yield f"{name} {value}"


def _result(metrics: Mapping[str, Any]) -> Iterator[str]:
    if "test_accuracy" in metrics:
        yield f"test accuracy {percent(metrics['test_accuracy'])}"
    for name, words in _FIGURES.items():
        if name in metrics:
            yield f"{words} {metrics[name]['mean']:.4g} ± {metrics[name]['std']:.2g}"
    for name, model in metrics.get("models", {}).items():
        yield f"{name} {percent(model['test_accuracy'])}"


def _baselines(metrics: Mapping[str, Any]) -> Iterator[str]:
    in_percent = "test_accuracy" in metrics or "models" in metrics
    for name, value in metrics.get("baselines", {}).items():
        value = value.get("test_rmse") if isinstance(value, dict) else value
        if value is not None:
            yield f"{name.replace('_', ' ')} {100 * value:.1f} %" if in_percent else f"{name} {value:.4g}"
