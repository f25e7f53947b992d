"""Classification of sequences of tokens or numbers by a recurrent layer."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, one_hot

from graphreel.core.checks import check_one_of
from graphreel.core.dropout import check_probability
from graphreel.core.dropout import dropout as drop_out
from graphreel.core.transforms import is_transforming

from ..registry import CELLS, build_layer
from ..sequence.packing import span_packing, spans_of
from ..sequence.prefix_tree import share_prefixes


class SequenceClassifier(nn.Module):
    """Embedding, one recurrent layer, and a linear head on its final state, or on the mean of its outputs.

        logits = W_ph h_T + b_p,  for "bilstm"  W_ph [h_forward(T); h_backward(1)] + b_p,
        with pool="mean"  W_ph (h_1 + ... + h_T) / T + b_p

    Its state dict is that of nn.Embedding or nn.Linear (`embedding`), the layer (`recurrent`) and nn.Linear (`head`).

    Args:
        num_tokens: size of the vocabulary V; of numbers the features F of a step.
        embedding_dim: features E of a token, or what a step's numbers are projected to.
        hidden_size: units H.
        cell: "rnn", "lstm", "peephole" (the report's, "uva"), "peephole-gers", "gru" or "bilstm".
        padding: index of the padding token. Padding before the first and after the last other token of a sequence is
            then skipped, so that it changes nothing; between two other tokens it is a token like any other. With None
            (the default) no token is special, as for torch.nn's layers.
        initialization: of the recurrent layer, as in rnn.LSTM.
        forget_bias: as in rnn.LSTM.
        numbers: steps are vectors of numbers, not tokens.
        pool: "last" or "mean".
        dropout: before the head.

    Raises:
        ValueError: an unknown cell or pool, a size that is not positive, a padding index outside of the vocabulary.
    """

    numbers, pool, dropout = False, "last", 0.0  # of those pickled before there was a choice

    def __init__(
        self,
        num_tokens: int,
        embedding_dim: int,
        hidden_size: int,
        num_classes: int,
        cell: str = "lstm",
        padding: int | None = None,
        *,
        initialization: str = "uniform",
        forget_bias: float | None = None,
        numbers: bool = False,
        pool: str = "last",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_one_of("pool", pool, ("last", "mean"))
        if cell not in CELLS:
            raise ValueError(f"cell must be one of {', '.join(CELLS)}, but got {cell!r}")
        sizes = {"num_tokens": num_tokens, "embedding_dim": embedding_dim}
        for name, size in (sizes | {"hidden_size": hidden_size, "num_classes": num_classes}).items():
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise ValueError(f"{name} must be a positive integer, but got {size!r}")
        whole = isinstance(padding, int) and not isinstance(padding, bool) and not numbers
        if padding is not None and not (whole and 0 <= padding < num_tokens):
            raise ValueError(f"padding must be a token from 0 to {num_tokens - 1}, but got {padding!r}")
        self.cell, self.padding, self.numbers, self.pool = cell, padding, numbers, pool
        self.embedding: Any = (nn.Linear if numbers else nn.Embedding)(num_tokens, embedding_dim)
        check_probability("dropout", dropout)
        self.dropout = float(dropout)
        self.recurrent = build_layer(
            cell, embedding_dim, hidden_size, forget_bias=forget_bias, initialization=initialization
        )
        self.head = nn.Linear(hidden_size * self.recurrent.num_directions, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """Logits [B, num_classes].

        Args:
            tokens: [B, T], or numbers [B, T, F].
            lengths: [B] valid steps of each sequence, which starts at step 0; in place of `padding`.

        Raises:
            ValueError: tokens have another shape or dtype, or are not in the vocabulary, or a sequence is only padding.
        """
        self._check(tokens)
        first, last = self._spans(tokens, lengths)
        steps = tokens.shape[1]
        if self.numbers or self.pool == "mean" or is_transforming():
            packings = span_packing(first, last - first + 1, steps, tokens.device)
            x = self.embedding(tokens.transpose(0, 1).reshape(-1, *tokens.shape[2:]))
            outputs, states = self.recurrent.scan_stack(x, packings, None)
            pooled = torch.cat(states[0].unbind(), dim=1)
            if self.pool == "mean":  # outputs at padding are 0
                pooled = outputs.unflatten(0, (steps, -1)).sum(0) / (last - first + 1)[:, None].to(outputs)
            return self._scored(pooled)
        shift = torch.arange(steps, device="cpu") + (last + 1 - steps)[:, None]
        if self.padding is not None or lengths is not None:
            tokens = tokens.gather(1, (shift % steps).to(tokens.device))
            first = first + steps - 1 - last
        finals = [self._final(tokens, first, 0)]
        if self.recurrent.bidirectional:
            around = torch.arange(steps - 1, -1, -1, device="cpu") + first[:, None]
            finals.append(self._final(tokens.gather(1, (around % steps).to(tokens.device)), first, 1))
        return self._scored(torch.cat(finals, dim=1))

    def _scored(self, pooled: Tensor) -> Tensor:
        return self.head(drop_out(pooled, self.dropout, self.training))

    def _final(self, tokens: Tensor, first: Tensor, direction: int) -> Tensor:
        """The final state [B, H] of sequences that end at the last step."""
        schedule, read, place = share_prefixes(tokens, first)
        weights = dict(self.recurrent.layer_weights(0, direction))
        if self.embedding.num_embeddings <= self.embedding.embedding_dim and not self.recurrent.layer_norm:
            # One-hot inputs, with the embedding multiplied into the input weights: a column for each token.
            bias = weights.pop("bias_ih")
            if len(self.recurrent.state_names) == 2:
                bias = bias + weights.pop("bias_hh")
            weights["weight_ih"] = linear(weights["weight_ih"], self.embedding.weight) + bias.unsqueeze(1)
            x = one_hot(read, self.embedding.num_embeddings).to(bias.dtype)
        else:
            x = self.embedding(read)
        zero = x.new_zeros(schedule.batch, self.recurrent.hidden_size)
        initial = tuple(zero for _ in self.recurrent.state_names)
        _, state = self.recurrent.scan_layer(x, schedule, initial, weights, outputs=False)
        return state[0].index_select(0, place)

    def _spans(self, tokens: Tensor, lengths: Tensor | Sequence[int] | None) -> tuple[Tensor, Tensor]:
        """First and last step of each sequence, on the CPU."""
        batch, steps = tokens.shape[:2]
        if lengths is not None:
            first, spans = spans_of(lengths, steps, batch, "right")
            return first, first + spans - 1
        if self.padding is None:
            first = torch.zeros(batch, dtype=torch.long, device="cpu")
            return first, first + steps - 1
        valid = tokens.cpu() != self.padding
        empty = ~valid.any(1)
        if bool(empty.any()):
            row = int(empty.byte().argmax())
            raise ValueError(f"tokens must hold a sequence in every row, but row {row} is only padding")
        return valid.byte().argmax(1), steps - 1 - valid.flip(1).byte().argmax(1)

    def _check(self, tokens: Tensor) -> None:
        if self.numbers:
            width = self.embedding.in_features
            if tokens.dim() != 3 or 0 in tokens.shape or tokens.shape[2] != width:
                raise ValueError(f"tokens must have shape [B, T, {width}], but got {tuple(tokens.shape)}")
            return
        if tokens.dim() != 2 or 0 in tokens.shape:
            raise ValueError(f"tokens must have shape [B, T] with at least one step, but got {tuple(tokens.shape)}")
        if tokens.dtype not in (torch.long, torch.int):
            raise ValueError(f"tokens must be int64 or int32, but got {tokens.dtype}")
        lowest, highest = (int(extreme) for extreme in tokens.aminmax())
        if lowest < 0 or highest >= self.embedding.num_embeddings:
            worst = lowest if lowest < 0 else highest
            raise ValueError(f"tokens must lie between 0 and {self.embedding.num_embeddings - 1}, but got {worst}")

    def extra_repr(self) -> str:
        return f"cell={self.cell}, padding={self.padding}"
