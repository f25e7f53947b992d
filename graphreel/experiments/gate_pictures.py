"""What the gates of a classifier do along a test sequence of its task, as a picture."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from graphreel.core.atomic_files import write_whole
from graphreel.core.labels import plain
from graphreel.experiments.task_settings import TaskSettings
from graphreel.rnn import SequenceClassifier, draw_gates, gates


def save_figure(figure: Figure, title: str, path: Path) -> Path:
    figure.suptitle(plain(title))
    return write_whole(path, lambda beside: figure.savefig(beside, dpi=120))


def draw_task_gates(
    model: SequenceClassifier, settings: TaskSettings, source: Any, path: Path, number: int = 0
) -> Path:
    """The gates over one sequence of the test part.

    Raises:
        ValueError: the test part has fewer sequences.
    """
    if number >= len(source.test[0]):
        raise ValueError(f"--number expects one of the {len(source.test[0])} test sequences, from 0, got {number}")
    tokens = source.test[0][number : number + 1]
    if settings.skip_padding and source.padding is not None:
        tokens = tokens[:, int((tokens[0] != source.padding).int().argmax()) :]
    one = {name: gate[0] for name, gate in gates(model, tokens).items()}
    figure = draw_gates(one, ["·" if token == source.padding else str(token) for token in tokens[0].tolist()])
    return save_figure(figure, f"{settings.data}, {settings.cell}: a test sequence", path)
