"""Settings of `graphreel rnn train`: of a sequence task, and of a text."""

from dataclasses import dataclass
from typing import Any

from graphreel.rnn.registry import CAUSAL_CELLS, CELLS, GATED_CELLS
from graphreel.training.settings import Settings

TASKS = ("palindrome", "baum-sweet", "random-combinations")


@dataclass(frozen=True)
class TaskSettings(Settings):
    """Every setting of a training on a sequence task.

    Attributes:
        data: palindrome, baum-sweet or random-combinations.
        length: the task's measure of difficulty.
        cell: rnn, lstm, peephole (the report's variant), peephole-gers, gru or bilstm.
        seed, seeds: the seeds are seed, seed + 1, ...
        steps: optimiser steps at most; training stops after 3 evaluations in a row without an error.
        batch_size: sequences in a batch.
        hidden: units.
        embedding: features of a token.
        learning_rate: of Adam.
        clip_norm: largest norm of the gradient.
        initialization: uniform, orthogonal or kaiming.
        forget_bias: what the forget gate's bias starts at; None leaves it to the initialisation. The palindromes'
            preset is 3.
        skip_padding: whether the network starts at the first symbol that is not padding.
        evaluate_every: steps between evaluations.
        device: auto, cpu or cuda.
    """

    data: str
    length: int = 10
    cell: str = "lstm"
    seed: int = 0
    seeds: int = 1
    steps: int = 3000
    batch_size: int = 256
    hidden: int = 256
    embedding: int = 64
    learning_rate: float = 1e-4
    clip_norm: float = 10.0
    initialization: str = "kaiming"
    forget_bias: float | None = None
    skip_padding: bool = True
    evaluate_every: int = 50
    device: str = "auto"

    def __post_init__(self) -> None:
        self.expect_one_of("data", TASKS)
        self.expect_one_of("cell", tuple(CELLS))
        self.expect_one_of("initialization", ("uniform", "orthogonal", "kaiming"))
        self.expect_at_least(1, "length", "seeds", "steps", "batch_size", "hidden", "embedding", "evaluate_every")
        self.expect_positive("learning_rate", "clip_norm")
        if self.seed < 0:
            raise ValueError(f"--seed expects 0 or more, got {self.seed}")
        if self.forget_bias is not None and self.cell not in GATED_CELLS:
            raise ValueError(f"--forget-bias expects one of the cells {', '.join(GATED_CELLS)}, got {self.cell!r}")

    @classmethod
    def resolve(cls, data: str, typed: dict[str, Any]) -> "TaskSettings":
        """The preset of the task, overridden by what the user typed.

        Raises:
            ValueError: a value out of its range, or an option that only texts have.
        """
        cls.check_names(typed, f"the task {data}")
        preset = dict(PRESETS.get(data, {}))
        if data == "palindrome" and typed.get("cell", cls.cell) in GATED_CELLS:
            preset["forget_bias"] = PALINDROME_FORGET_BIAS
        return cls(**{"data": data, **preset, **typed})


# The label is the first digit: it must outlast up to 80 steps. A forget gate that starts at 1/2 lets 2^-48 of its
# gradient through the mean string of 48 digits at length 20, one that starts at sigmoid(3) lets 0.1 through.
PALINDROME_FORGET_BIAS = 3.0

PRESETS: dict[str, dict[str, Any]] = {
    "palindrome": {"length": 10},
    "baum-sweet": {"length": 4},
    "random-combinations": {"length": 5, "hidden": 128, "batch_size": 128, "learning_rate": 1e-3, "steps": 2000},
}


@dataclass(frozen=True)
class TextSettings(Settings):
    """Every setting of a character model's training.

    Attributes:
        data: "book" or the path of a text file.
        cell: rnn, lstm, peephole (the report's variant), peephole-gers or gru.
        seed, seeds: the seeds are seed, seed + 1, ...
        steps: optimiser steps; the report's training had 336000.
        batch_size: windows in a batch.
        window: characters in a window.
        hidden, layers, embedding: sizes of the model.
        learning_rate: of Adam, falling to 0 along half a cosine after 200 steps of warm-up.
        clip_norm: largest norm of the gradient.
        dropout: between layers and before the head.
        weight_dropout: of the recurrent matrices, drawn anew in every step.
        weight_decay: of AdamW, on matrices alone.
        forget_bias: what the forget gates' biases start at.
        skip: whether each layer also reads the embedding, and the head all layers.
        averaging: decay per step of the moving average of the weights that is evaluated and kept; 0 takes the weights.
        carried: whether a window goes on with the hidden state of the one before; otherwise windows start anywhere,
            from zero.
        evaluate_every: steps between evaluations on the validation part.
        device: auto, cpu or cuda.
    """

    data: str
    cell: str = "lstm"
    seed: int = 0
    seeds: int = 1
    steps: int = 24_000
    batch_size: int = 64
    window: int = 30
    hidden: int = 128
    layers: int = 2
    embedding: int = 87
    learning_rate: float = 2e-3
    clip_norm: float = 5.0
    dropout: float = 0.3
    weight_dropout: float = 0.0
    weight_decay: float = 0.0
    forget_bias: float | None = 1.0
    skip: bool = True
    averaging: float = 0.999
    carried: bool = True
    evaluate_every: int = 1000
    device: str = "auto"

    def __post_init__(self) -> None:
        self.expect_one_of("cell", CAUSAL_CELLS)
        self.expect_at_least(
            1, "seeds", "steps", "batch_size", "window", "hidden", "layers", "embedding", "evaluate_every"
        )
        self.expect_positive("learning_rate", "clip_norm")
        if self.seed < 0:
            raise ValueError(f"--seed expects 0 or more, got {self.seed}")
        self.expect_share("dropout", "weight_dropout", "averaging")
        if not self.weight_decay >= 0:
            raise ValueError(f"--weight-decay expects 0 or more, got {self.weight_decay}")

    @classmethod
    def resolve(cls, data: str, typed: dict[str, Any]) -> "TextSettings":
        """The defaults, overridden by what the user typed.

        Raises:
            ValueError: a value out of its range, or an option that only sequence tasks have.
        """
        cls.check_names(typed, "a text")
        return cls(**{"data": data, **typed})
