"""`graphreel report`: every question of the report, answered by running it, as one page."""

from pathlib import Path
from typing import Annotated

import typer

from graphreel.cli.options import Quiet, path_option

# the ids of report.sections.SECTIONS, whose import takes seconds
QUESTIONS = ("Q1.1", "Q1.2", "Q1.3", "Q1.4", "Q2.1", "Q3.1", "Q3.2", "Q3.3", "Q3.4", "Q3.5")


def report(
    quick: Annotated[bool, typer.Option("--quick", help="Smaller sizes, about five minutes (the default).")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="The report's own sizes: hours; goes on where it stopped.")
    ] = False,
    out: Annotated[Path, path_option("Folder of the page; what is finished in it is not run again.")] = Path(
        "runs/report"
    ),
    only: Annotated[list[str] | None, typer.Option(help="Run this section alone, as Q1.3; may be repeated.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Run finished sections again.")] = False,
    quiet: Quiet = False,
) -> None:
    """Answer every question of the report by running it: one HTML page and its numbers."""
    if quick and full:
        raise ValueError("report expects --quick or --full, got both")
    for name in only or ():
        if name not in QUESTIONS:
            raise ValueError(f"--only expects one of {', '.join(QUESTIONS)}, got {name!r}")
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out expects a folder, got the file {out}")
    from graphreel.report.disk_data import find_data
    from graphreel.report.making import make_report
    from graphreel.report.sections import SECTIONS
    from graphreel.report.terminal import Terminal

    on_disk = find_data() if full else {}  # a quick report is the same everywhere
    terminal = Terminal(quiet=quiet)
    outcomes = make_report(SECTIONS, "full" if full else "quick", out, on_disk, terminal, only or (), overwrite)
    terminal.finish(outcomes, out / "index.html")
    failed = [outcome.section.id for outcome in outcomes if outcome.status == "failed"]
    if failed:
        typer.echo(
            f"graphreel: failed: {', '.join(failed)} (the page says why); the same command tries again", err=True
        )
        raise typer.Exit(1)
