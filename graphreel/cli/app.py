"""Every command of the command line, and how it ends."""

import logging
import os
from pathlib import Path
from typing import Any

import typer

from graphreel import __version__
from graphreel.cli import combined as combined_commands
from graphreel.cli import data as data_commands
from graphreel.cli import doctor as doctor_command
from graphreel.cli import export as export_command
from graphreel.cli import gnn as gnn_commands
from graphreel.cli import report as report_command
from graphreel.cli import rnn as rnn_commands
from graphreel.cli import runs as runs_command
from graphreel.cli import serve as serve_command
from graphreel.cli import sweep as sweep_command
from graphreel.cli.train_command import EXIT_CODES
from graphreel.core.interrupt import INTERRUPTED
from graphreel.core.near_names import did_you_mean
from graphreel.training import ranks
from graphreel.training.errors import Stopped, TrainingError

# Read by OpenMP when torch loads it. Threads that spin while they wait make a small training step 10 to 20 times slower
# as soon as anything else runs on the same cores; threads that sleep at once take long to wake on an idle machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
if ranks.started()[1] > 1:  # each rank would warn that a model has no weights that it does not use
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")

# click's, or that of the copy of click that newer typer carries
_UsageError: type[Any] = typer.BadParameter.__mro__[1]

_SIGINT = 130

_LOG = logging.getLogger("graphreel")

app = typer.Typer(
    name="graphreel",
    help="Train, look at and verify networks for graphs, sequences, and graphs that change over time.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(gnn_commands.app, name="gnn")
app.add_typer(rnn_commands.app, name="rnn")
app.add_typer(combined_commands.app, name="combined")
app.add_typer(data_commands.app, name="data")
app.command("runs")(runs_command.runs)
app.command("export")(export_command.export)
app.command("serve")(serve_command.serve)
app.command("sweep")(sweep_command.sweep)
app.command("report")(report_command.report)
app.command("doctor")(doctor_command.doctor)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"graphreel {__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Print the version."),
    verbose: bool = typer.Option(False, "--verbose", help="Show where an error arose, and what is logged."),
) -> None:
    logging.basicConfig(format="%(name)s: %(message)s")
    _LOG.setLevel(logging.DEBUG if verbose else logging.WARNING)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code: 0, 1 (training diverged), 2 (bad input), 130 (interrupted)."""
    try:
        if ranks.started()[1] > 1 and "train" not in arguments[:3]:
            raise ValueError(
                f"one process runs this command, but torchrun has started {ranks.started()[1]} (WORLD_SIZE): start it "
                "without; trainings alone share their work"
            )
        command = typer.main.get_command(app)
        code = command.main(arguments, prog_name="graphreel", standalone_mode=False) or 0
        return _say(INTERRUPTED, code) if code == _SIGINT else code  # newer typer makes this of a KeyboardInterrupt
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # making the error has printed the help
            return 2
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context else ""
        return _say(f"{error.format_message().rstrip('.')}{hint}", 2)
    except (typer.Abort, KeyboardInterrupt):
        return _say(INTERRUPTED, _SIGINT)
    except Stopped as error:
        return _say(str(error), 128 + error.number)
    except TrainingError as error:
        return _say(str(error), 1)
    except OSError as error:
        return _say(_of_file(error), 2)
    except ValueError as error:
        return _say(str(error), 2)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        return _say("out of memory: take a smaller --batch-size, --hidden or --length", 2, ranks.started()[0])


def _of_file(error: OSError) -> str:
    if not error.filename or not error.strerror:
        return str(error)
    path = Path(os.fsdecode(error.filename))
    near = ""
    if isinstance(error, FileNotFoundError) and path.parent.is_dir():
        near = did_you_mean(path.name, {*os.listdir(path.parent)} - {path.name})
        near = near or (f", but {'a folder' if path.is_dir() else 'a file'}" if path.exists() else "")
    return f"{error.filename}: {error.strerror}{near}"


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether torch, on a CPU or a GPU, or Python could not get the memory that was asked for."""
    words = ("can't allocate memory", "out of memory", "storage size calculation overflowed")
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in words)


def _say(message: str, code: int, rank: int = 0) -> int:
    """Rank 0 alone says what ends all of them; a rank is named that has trouble of its own."""
    _LOG.debug("where it arose", exc_info=True)
    if ranks.started()[0] == rank:
        typer.echo(f"graphreel: {f'rank {rank}: ' if rank else ''}" + " ".join(message.split()), err=True)
    return code
