"""Settings of `graphreel rnn train` on labelled sequences."""

from dataclasses import dataclass

from graphreel.rnn.registry import CELLS
from graphreel.training.class_weights import class_weights_option
from graphreel.training.optimizers import optimizer_option
from graphreel.training.option import at_least, one_of, option, positive, share, size, times
from graphreel.training.schedules import schedule_option
from graphreel.training.settings import Settings

_PANEL = "Labelled sequences"


@dataclass(frozen=True)
class SequenceSettings(Settings):
    """Every setting of a training on labelled sequences of different length."""

    ROOM = "rnn"
    KINDS = ("sequences",)
    CALLED = "labelled sequences"
    PANEL = _PANEL
    READING = ("sequence", "label", "split", "group", "id", "order", "read", "longest", "encoding")

    sequence: str = option("", "Column of the texts, tokens or numbers; several with commas.", panel=_PANEL)
    label: str = option("", "Column of the classes.", panel=_PANEL)
    split: str = option("", "Column of train, val or test.", panel=_PANEL)
    group: str = option("", "Column of what stays in one part, such as a person.", panel=_PANEL)
    id: str = option("", "Where a row is a step: column of the sequence that it is of.", panel=_PANEL)
    order: str = option("", "Where a row is a step: column of its place or time.", panel=_PANEL)
    read: str = option(
        "", "What a sequence is made of; left out, it is found out",
        check=one_of("", "characters", "words", "tokens", "numbers"), panel=_PANEL,
    )  # fmt: skip
    longest: int = option(1000, "Steps that are read of a sequence.", check=size, panel=_PANEL)
    encoding: str | None = option(None, "Of the file; left out, UTF-8 or found out.", panel="Data")
    cell: str = option("lstm", "Recurrent cell; peephole is the report's variant", check=one_of(*CELLS))
    steps: int = option(2000, "Optimiser steps at most.", check=times, names="--epochs", panel="Training")
    batch_size: int = option(32, "Sequences or windows in a batch.", check=size, panel="Training")
    hidden: int = option(64, "Units of a layer.", check=size)
    embedding: int = option(32, "Features of a token.", check=size)
    pool: str = option("mean", "What is classified: last state or mean over steps", check=one_of("mean", "last"))
    dropout: float = option(0.3, "Between layers and before the head.", check=share)
    class_weights: str = class_weights_option()
    learning_rate: float = option(3e-3, "Peak step size.", check=positive, names="--lr", panel="Training")
    schedule: str = schedule_option("constant")
    optimizer: str = optimizer_option("adamw")
    weight_decay: float = option(1e-4, "Of matrices alone.", check=at_least(0), panel="Training")
    clip_norm: float = option(5.0, "Largest norm of the gradient.", check=positive, panel="Training")
    evaluate_every: int = option(50, "Steps between evaluations.", check=times, panel="Training")
    patience: int = option(10, "Evaluations without a better one before it ends.", check=times, panel="Training")
