"""`graphreel rnn gates`: what the gates of a trained model do along a sequence."""

from pathlib import Path

import typer

from graphreel.data import load
from graphreel.experiments.gate_pictures import draw_task_gates, save_figure
from graphreel.experiments.sequence_settings import TaskSettings
from graphreel.experiments.sequences import build_classifier
from graphreel.inspect.generate import load_model
from graphreel.rnn import draw_gates, gates, generate
from graphreel.training.run_folder import RunFolder

_WRITTEN = 60  # characters that the model writes itself where no text is given


def show(path: Path, text: str | None, number: int, layer: int, out: Path | None) -> None:
    """Draw the gates of a run folder's model over a text, or over a test sequence of its task.

    Raises:
        ValueError, OSError: a bad run, text, number or layer; nothing is written then.
    """
    run = RunFolder.open(path, "rnn")
    config = run.config()
    if config.get("cell") == "rnn":
        raise ValueError(f"gates expects a cell that has gates, but {path} holds a run of the cell rnn")
    out = out or run.path / "gates.png"
    if config.get("kind") == "text":
        saved = _draw_text(path, str(config.get("cell")), text, layer, out)
    elif text is not None or layer != 0:
        raise ValueError(f"--text and --layer expect a run on a text, but {path} holds one on {config.get('data')}")
    else:
        saved = _draw_task(run, TaskSettings.from_dict(config), number, out)
    typer.echo(f"saved in {saved}")


def _draw_task(run: RunFolder, settings: TaskSettings, number: int, out: Path) -> Path:
    source = load(settings.data, length=settings.length)
    model = build_classifier(settings, source)
    try:
        model.load_state_dict(run.load_checkpoint()["model"])
    except (RuntimeError, AttributeError, KeyError, TypeError):
        raise ValueError(f"{run.checkpoint_path} does not fit the model of config.json") from None
    return draw_task_gates(model, settings, source, out, number)


def _draw_text(path: Path, cell: str, text: str | None, layer: int, out: Path) -> Path:
    model, vocabulary = load_model(path)
    if text is None:
        start = "\n" if "\n" in vocabulary.characters else vocabulary.characters[0]
        text = start + generate(model, vocabulary, start, _WRITTEN, greedy=True)[0]
    if not text:
        raise ValueError("--text expects at least one character, got none")
    one = {name: gate[0] for name, gate in gates(model, vocabulary.encode(text)[None], layer).items()}
    return save_figure(draw_gates(one, list(text)), f"{cell}, layer {layer}", out)
