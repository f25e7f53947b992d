"""Settings of `graphreel rnn train` on a text."""

from dataclasses import dataclass

from graphreel.rnn.registry import CAUSAL_CELLS
from graphreel.training.optimizers import optimizer_option
from graphreel.training.option import at_least, at_most, one_of, option, positive, share, size, times
from graphreel.training.schedules import schedule_option
from graphreel.training.settings import Settings


@dataclass(frozen=True)
class TextSettings(Settings):
    """Every setting of a character model's training; the report's had 336000 steps."""

    ROOM = "rnn"
    KINDS = ("text",)
    CALLED = "a text"
    PANEL = "Texts"
    READING = ("encoding",)

    encoding: str | None = option(None, "Of the file; left out, UTF-8 or found out.", panel="Data", before=None)
    cell: str = option("lstm", "Recurrent cell; peephole is the report's variant", check=one_of(*CAUSAL_CELLS))
    steps: int = option(40_000, "Optimiser steps at most.", check=times, names="--epochs", panel="Training")
    batch_size: int = option(32, "Sequences or windows in a batch.", check=size, panel="Training")
    window: int = option(30, "Characters in a window.", check=size)
    hidden: int = option(128, "Units of a layer.", check=size)
    layers: int = option(2, "Recurrent layers.", check=(at_least(1), at_most(1000)))
    embedding: int = option(87, "Features of a token.", check=size)
    learning_rate: float = option(6e-3, "Peak step size.", check=positive, names="--lr", panel="Training")
    schedule: str = schedule_option("short-warm-cosine")
    optimizer: str = optimizer_option("adamw")
    clip_norm: float = option(5.0, "Largest norm of the gradient.", check=positive, panel="Training")
    dropout: float = option(0.3, "Between layers and before the head.", check=share)
    weight_dropout: float = option(0.0, "Of the recurrent matrices, drawn anew in every step.", check=share, before=0.0)
    weight_decay: float = option(0.0, "Of matrices alone.", check=at_least(0), panel="Training", before=0.0)
    forget_bias: float | None = option(1.0, "What the forget gate's bias starts at.")
    skip: bool = option(True, "Every layer also reads the embedding, and the head all layers.", before=False)
    averaging: float = option(
        0.999, "Decay per step of the mean of the weights that is evaluated and kept; 0: none.", check=share,
        before=0.0,
    )  # fmt: skip
    carried: bool = option(True, "Carry the hidden state from window to window.", off="--fresh")
    prompt: str = option(
        "", "What samples go on from; left out, the first words of the held-out part.", panel="Run",
        before="Sleeping beauty is",
    )  # fmt: skip
    evaluate_every: int = option(1000, "Steps between evaluations.", check=times, panel="Training")
