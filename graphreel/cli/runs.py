"""`graphreel runs`: the run folders below a folder as a table or a page, and two of them compared."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from graphreel.cli.options import path_option
from graphreel.cli.outputs import PAGES, check_picture
from graphreel.training.summary import percent

_WIDE = 200  # columns where the output is no terminal
_FIGURES = {"bits_per_char": "bits per character", "test_rmse": "test RMSE"}


def runs(
    folder: Annotated[Path, typer.Argument(help="Where to look.")] = Path("runs"),
    html: Annotated[
        bool, typer.Option("--html", help="Write a page: tables to sort, curves, two side by side.")
    ] = False,
    compare: Annotated[
        list[Path] | None, typer.Option(help="Given twice: the difference of two runs, with a test over their seeds.")
    ] = None,
    out: Annotated[Path | None, path_option("Page to write.", show_default="FOLDER/runs.html")] = None,
) -> None:
    """Print a table of the runs below a folder: data, model, settings that differ, figures, baselines, pictures."""
    if compare:
        if len(compare) != 2:
            raise ValueError(f"--compare expects two runs, as in --compare A --compare B, got {len(compare)}")
        _print_comparison(*compare)
    elif html:
        check_picture(out, suffixes=PAGES)
        from graphreel.inspect.runs_page import write_runs_page

        typer.echo(write_runs_page(folder, out))
    elif out is not None:
        raise ValueError("--out goes with --html, got no --html")
    else:
        _print_table(folder)


def _print_table(folder: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from graphreel.inspect.run_table import runs_below

    found = runs_below(folder)
    if not found:
        typer.echo(f"no run below {folder}")
        return
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDE)
    table = Table("run", "data", "model", "where they differ", "parameters", "result", "seeds", "baselines", box=None)
    for entry in found:
        metrics, config = entry.metrics, entry.config
        table.add_row(
            entry.name, str(config.get("data", "")), entry.model,
            ", ".join(f"{name} {value}" for name, value in entry.differing.items()),
            f"{metrics['parameters']:,}" if "parameters" in metrics else "",
            ", ".join(_result(metrics)) or "not finished", str(config.get("seeds", "")), ", ".join(_baselines(metrics)),
        )  # fmt: skip
    console.print(table, highlight=False)
    if not all(entry.metrics for entry in found):
        console.print("\n  what is not finished goes on with --resume RUN")
    console.print("\n  pictures:")
    for entry in found:
        if entry.pictures:
            names = "  ".join(picture.name for picture in entry.pictures)
            console.print(f"  {entry.run.path}/  {names}", highlight=False, soft_wrap=True)


def _print_comparison(first: Path, second: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    from graphreel.inspect.compare_runs import compare_runs, differing_settings
    from graphreel.inspect.run_table import entry

    a, b = entry(first), entry(second)
    table = Table("figure", a.name, b.name, "difference", "95 % of it within", "p (Welch)", box=None)
    for row in compare_runs(a, b):
        name = row["figure"]
        sure = [_spread([row["low"], row["high"]]), f"{row['p']:.2g}"] if row["p"] is not None else ["one seed", ""]
        sure = ["no spread", ""] if row["p"] is None and min(len(row["a"]), len(row["b"])) > 1 else sure
        means = [f"{figures[name]['mean']:.4g} ± {figures[name]['std']:.2g}" for figures in (a.figures, b.figures)]
        table.add_row(name.replace("_", " "), *means, f"{row['difference']:+.4g}", *sure)
    console = Console()
    console = console if console.is_terminal else Console(width=_WIDE)
    console.print(table, highlight=False)
    for name, (one, other) in differing_settings(a, b).items():
        console.print(f"  {name}: {one} | {other}", highlight=False)
    if a.config.get("data") != b.config.get("data"):
        console.print("\n  they were trained on different data, so a difference says nothing about the models")


def _spread(ends: list[float]) -> str:
    return f"{ends[0]:+.4g} … {ends[1]:+.4g}"


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
