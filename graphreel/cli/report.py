"""`graphreel report`: every question of the report, answered by running it, as one page."""

from pathlib import Path
from typing import Annotated

import typer

from graphreel.cli.options import Quiet, path_option
from graphreel.report.questions import folders


def report(
    quick: Annotated[bool, typer.Option("--quick", help="Smaller sizes, about five minutes (the default).")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="The report's own sizes: hours; goes on where it stopped.")
    ] = False,
    out: Annotated[Path, path_option("Folder of the page; what is finished in it is not run again.")] = Path(
        "runs/report"
    ),
    only: Annotated[list[str] | None, typer.Option(help="Run this question alone, as Q1.3; may be repeated.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Run finished questions again.")] = False,
    quiet: Quiet = False,
) -> None:
    """Answer every question of the report by running it: one HTML page and its numbers."""
    if quick and full:
        raise ValueError("report expects --quick or --full, got both")
    known = list(folders())
    for name in only or ():
        if name not in known:
            raise ValueError(f"--only expects one of {', '.join(known)}, got {name!r}")
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out expects a folder, got the file {out}")
    from graphreel.report.build import build_report
    from graphreel.report.disk_data import find_data
    from graphreel.report.question import find_questions
    from graphreel.report.terminal import Terminal
    from graphreel.training.run_folder import RunFolder

    on_disk = find_data() if full else {}  # a quick report is the same everywhere
    terminal = Terminal(quiet=quiet)
    mode = "full" if full else "quick"
    with RunFolder(out).locked():
        outcomes = build_report(find_questions(), mode, out, on_disk, terminal, only or (), overwrite)
    terminal.finish(outcomes, out / "index.html")
    failed = [outcome.question.id for outcome in outcomes if outcome.status == "failed"]
    if failed:
        typer.echo(
            f"graphreel: failed: {', '.join(failed)} (the page says why); the same command tries again", err=True
        )
        raise typer.Exit(1)
