"""`graphreel rnn gates`: what the gates of a trained model do along a sequence."""

from pathlib import Path

import typer

from graphreel.data import load
from graphreel.experiments.gate_pictures import draw_task_gates, save_figure
from graphreel.inspect.load_run import TrainedRun, load_run
from graphreel.rnn import Vocabulary, draw_gates, gates, generate

_WRITTEN = 60  # characters that the model writes itself where no text is given


def show(path: Path, text: str | None, number: int, layer: int, out: Path | None) -> None:
    """Draw the gates of a run folder's model over a text, or over a test sequence of its task.

    Raises:
        ValueError, OSError: a bad run, text, number or layer; nothing is written then.
    """
    trained = load_run(path, "task", "text")
    settings = trained.settings
    if settings.cell == "rnn":
        raise ValueError(f"gates expects a cell that has gates, but {path} holds a run of the cell rnn")
    out = out or trained.folder.path / "gates.png"
    if trained.kind == "text":
        saved = _draw_text(trained, text, layer, out)
    elif text is not None or layer != 0:
        raise ValueError(f"--text and --layer expect a run on a text, but {path} holds one on {settings.data}")
    else:
        source = load(settings.data, length=settings.length)
        saved = draw_task_gates(trained.model, settings, source, out, number)
    typer.echo(f"saved in {saved}")


def _draw_text(trained: TrainedRun, text: str | None, layer: int, out: Path) -> Path:
    model, vocabulary = trained.model, Vocabulary(trained.entries["vocabulary"])
    if text is None:
        start = "\n" if "\n" in vocabulary.characters else vocabulary.characters[0]
        text = start + generate(model, vocabulary, start, _WRITTEN, greedy=True)[0]
    if not text:
        raise ValueError("--text expects at least one character, got none")
    one = {name: gate[0] for name, gate in gates(model, vocabulary.encode(text)[None], layer).items()}
    return save_figure(draw_gates(one, list(text)), f"{trained.settings.cell}, layer {layer}", out)
