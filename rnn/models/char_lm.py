"""The character language model, and how well it predicts a text."""

from math import log
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from graphreel.core.dropout import Dropout
from graphreel.core.evaluation import evaluating

from ..layers.recurrent import Recurrent
from ..registry import CAUSAL_CELLS, CELLS, build_layer

State = Tensor | tuple[Tensor, ...]


class _Skipping(nn.Module):
    """Layers each of which also reads the input of the first, and all of which are read (Graves, 2013, section 2)."""

    def __init__(self, layers: list[Recurrent], dropout: Dropout) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        self.dropout = dropout

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        for part in () if state is None else tree_leaves(state):
            if len(part) != len(self.layers):
                raise ValueError(f"state must be that of {len(self.layers)} layers, got one of {len(part)}")
        outputs: list[Tensor] = []
        states: list[State] = []
        for number, layer in enumerate(self.layers):
            before = None if state is None else tree_map(lambda part, at=number: part[at : at + 1], state)
            output, after = layer(torch.cat((x, outputs[-1]), 2) if outputs else x, before)
            outputs.append(self.dropout(output))
            states.append(after)
        return torch.cat(outputs, 2), tree_map(lambda *parts: torch.cat(parts), *states)


class CharLM(nn.Module):
    """Embedding, a stack of recurrent layers, and a linear head that scores the next character at every step.

    Trained with teacher forcing: the targets are the inputs shifted by one. In the shapes B is the batch, T the steps,
    V the number of characters, L the layers and H the units.

    Args:
        num_tokens: V.
        embedding_dim: features of a character.
        hidden_size: H.
        num_layers: L.
        cell: "rnn", "lstm", "peephole" (the report's variant), "peephole-gers" or "gru".
        dropout: between layers and before the head.
        forget_bias: what the forget gates' biases start at, for cells that have one; None draws them.
        weight_dropout: of the recurrent matrices, as in rnn.LSTM.
        skip: each layer also reads the embedding, and the head reads all layers (Graves, 2013, "Generating sequences
            with recurrent neural networks").

    Raises:
        ValueError: an unknown cell, or a size or probability out of its range.
    """

    def __init__(
        self,
        num_tokens: int,
        embedding_dim: int = 87,
        hidden_size: int = 128,
        num_layers: int = 2,
        cell: str = "lstm",
        dropout: float = 0.0,
        forget_bias: float | None = 1.0,
        weight_dropout: float = 0.0,
        skip: bool = False,
    ) -> None:
        super().__init__()
        if cell not in CAUSAL_CELLS:
            raise ValueError(f"cell must be one of {', '.join(CAUSAL_CELLS)}, got {cell!r}")
        sizes = {"num_tokens": num_tokens, "embedding_dim": embedding_dim, "num_layers": num_layers}
        for name, value in sizes.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a positive integer, got {value!r}")
        self.embedding = nn.Embedding(num_tokens, embedding_dim)
        self.skip = skip
        self.dropout = Dropout(dropout)
        options: dict[str, Any] = {"batch_first": True, "weight_dropout": weight_dropout}
        if CELLS[cell].forget_gate:
            options["forget_bias"] = forget_bias
        if skip:
            inputs = [embedding_dim] + [embedding_dim + hidden_size] * (num_layers - 1)
            layers = [build_layer(cell, size, hidden_size, **options) for size in inputs]
            self.recurrent: nn.Module = _Skipping(layers, self.dropout)
        else:
            options |= {"num_layers": num_layers, "dropout": dropout if num_layers > 1 else 0.0}
            self.recurrent = build_layer(cell, embedding_dim, hidden_size, **options)
        self.head = nn.Linear(hidden_size * (num_layers if skip else 1), num_tokens)

    def layers(self) -> list[Recurrent]:
        """The recurrent layers, from below, where each stands by itself (skip=True); otherwise the one stack."""
        parts = self.recurrent.layers if isinstance(self.recurrent, _Skipping) else (self.recurrent,)
        return [part for part in parts if isinstance(part, Recurrent)]

    def forward(
        self, tokens: Tensor, targets: Tensor | None = None, state: State | None = None
    ) -> tuple[Tensor, Tensor | None, State]:
        """Score the character after each one.

        Args:
            tokens: [B, T].
            targets: [B, T], the characters that follow; without them there is no loss.
            state: what an earlier call returned, to go on from there; zeros if left out.

        Returns:
            Logits [B, T, V], the cross entropy in nats averaged over batch and steps (None without targets), and the
            state after the last step (h, or a pair h, c, each [L, B, H]), still attached to the graph.

        Raises:
            ValueError: tokens or targets have another shape or dtype.
        """
        if tokens.dim() != 2 or 0 in tokens.shape:
            raise ValueError(f"tokens must have shape [B, T] and not be empty, got {list(tokens.shape)}")
        if tokens.dtype not in (torch.long, torch.int):
            raise ValueError(f"tokens must be int64 or int32, got {tokens.dtype}")
        if targets is not None and targets.shape != tokens.shape:
            raise ValueError(f"targets must have the tokens' shape {list(tokens.shape)}, got {list(targets.shape)}")
        if targets is not None and targets.dtype not in (torch.long, torch.uint8):
            raise ValueError(f"targets must be int64 or uint8, got {targets.dtype}")
        hidden, state = self.recurrent(self.embedding(tokens), state)
        logits = self.head(hidden if self.skip else self.dropout(hidden))
        loss = None if targets is None else nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        return logits, loss, state


def detached(state: State) -> State:
    """The state without its history: what truncated back-propagation carries into the next window."""
    return tree_map(Tensor.detach, state)


@torch.no_grad()
def bits_per_character(model: CharLM, tokens: Tensor, chunk: int = 2048) -> float:
    """Cross entropy in bits of a text [N], read once from start to end with the state carried along.

    The first character is given; the other N - 1 are predicted. The model is put into eval mode and back.
    """
    if tokens.dim() != 1 or tokens.numel() < 2:
        raise ValueError(f"tokens must be a text of at least 2 characters, got shape {list(tokens.shape)}")
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    state, nats = None, 0.0
    with evaluating(model.modules()):
        for start in range(0, tokens.numel() - 1, chunk):
            window = tokens[None, start : start + chunk + 1]
            _, loss, state = model(window[:, :-1], window[:, 1:], state)
            nats += loss.item() * (window.numel() - 1)
    return nats / (tokens.numel() - 1) / log(2)
