"""`graphreel runs`: a table of the run folders below a folder."""

from pathlib import Path
from typing import Annotated

import typer

from graphreel.run_folder import FORMAT, RunFolder


def runs(folder: Annotated[Path, typer.Argument(help="Where to look.")] = Path("runs")) -> None:
    """Print a table of the finished runs below a folder: data, model, test figures, baselines, pictures."""
    if not folder.is_dir():
        raise FileNotFoundError(2, "no such folder", str(folder))
    from rich.console import Console
    from rich.table import Table

    table = Table("data", "model", "parameters", "test accuracy", "baselines", "run", box=None, header_style="bold")
    for config in sorted(folder.rglob("config.json")):
        run = RunFolder(config.parent)
        if not run.metrics_path.is_file() or run.config().get("format") != FORMAT:
            continue
        metrics = run.metrics()
        accuracy = metrics.get("test_accuracy")
        if accuracy is None:
            continue
        table.add_row(
            metrics["data"],
            metrics["model"],
            f"{metrics['parameters']:,}",
            f"{100 * accuracy['mean']:.1f} ± {100 * accuracy['std']:.1f} % ({len(metrics['seeds'])})",
            ", ".join(f"{name.replace('_', ' ')} {100 * value:.1f} %" for name, value in metrics["baselines"].items()),
            str(run.path),
        )
    if not table.row_count:
        typer.echo(f"no finished run below {folder}")
        return
    console = Console()
    console.print(table)
    for picture in sorted(folder.rglob("*.png")):
        console.print(f"  {picture}", highlight=False, soft_wrap=True)
