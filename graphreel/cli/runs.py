"""`graphreel runs`: a table of the run folders below a folder."""

from pathlib import Path
from typing import Annotated

import typer

from graphreel.training.run_folder import FORMAT, RunFolder
from graphreel.training.summary import percent


def runs(folder: Annotated[Path, typer.Argument(help="Where to look.")] = Path("runs")) -> None:
    """Print a table of the finished runs below a folder: data, model, test figures, baselines, pictures."""
    if not folder.is_dir():
        raise FileNotFoundError(2, "no such folder", str(folder))
    from rich.console import Console
    from rich.table import Table

    finished = [run for run in _runs_below(folder) if "test_accuracy" in run.metrics()]
    if not finished:
        typer.echo(f"no finished run below {folder}")
        return
    baselines = list(dict.fromkeys(name for run in finished for name in run.metrics()["baselines"]))
    table = Table("data", "model", "parameters", "test accuracy", box=None, header_style="bold")
    for name in baselines:
        table.add_column(name.replace("_", " "), justify="right")
    for run in finished:
        metrics = run.metrics()
        known = metrics["baselines"]
        table.add_row(
            metrics["data"],
            metrics["model"],
            f"{metrics['parameters']:,}",
            f"{percent(metrics['test_accuracy'])}  ({len(metrics['seeds'])})",
            *(f"{100 * known[name]:.1f} %" if name in known else "" for name in baselines),
        )
    console = Console()
    console.print(table)
    console.print("\n  (number of seeds)  pictures:")
    for run in finished:
        pictures = "  ".join(picture.name for picture in sorted(run.path.glob("*.png")))
        console.print(f"  {run.path}/  {pictures}", highlight=False, soft_wrap=True)


def _runs_below(folder: Path) -> list[RunFolder]:
    found = [RunFolder(config.parent) for config in sorted(folder.rglob("config.json"))]
    return [run for run in found if run.metrics_path.is_file() and run.config().get("format") == FORMAT]
