"""Classification of token sequences by a recurrent layer's final state."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, one_hot

from graphreel.core.transforms import is_transforming

from ..registry import CELLS, build_layer
from ..sequence.packing import span_packing
from ..sequence.prefix_tree import share_prefixes


class SequenceClassifier(nn.Module):
    """Embedding, one recurrent layer, and a linear head on its final state.

        logits = W_ph h_T + b_p,  for "bilstm"  W_ph [h_forward(T); h_backward(1)] + b_p

    Its state dict is that of nn.Embedding (`embedding`), the layer (`recurrent`) and nn.Linear (`head`).

    Args:
        num_tokens: size of the vocabulary V.
        embedding_dim: features E of a token.
        hidden_size: units H.
        num_classes: logits.
        cell: "rnn", "lstm", "peephole" (the report's, "uva"), "peephole-gers", "gru" or "bilstm".
        padding: index of the padding token. Padding before the first and after the last other token of a sequence is
            then skipped, so that it changes nothing; between two other tokens it is a token like any other. With None
            (the default) no token is special, as for torch.nn's layers.
        initialization: of the recurrent layer, as in rnn.LSTM.
        forget_bias: as in rnn.LSTM.

    Raises:
        ValueError: an unknown cell, a size that is not positive, a padding index outside of the vocabulary.
    """

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
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise ValueError(f"cell must be one of {', '.join(CELLS)}, but got {cell!r}")
        sizes = {"num_tokens": num_tokens, "embedding_dim": embedding_dim}
        for name, size in (sizes | {"hidden_size": hidden_size, "num_classes": num_classes}).items():
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise ValueError(f"{name} must be a positive integer, but got {size!r}")
        whole = isinstance(padding, int) and not isinstance(padding, bool)
        if padding is not None and not (whole and 0 <= padding < num_tokens):
            raise ValueError(f"padding must be a token from 0 to {num_tokens - 1}, but got {padding!r}")
        self.cell, self.padding = cell, padding
        self.embedding = nn.Embedding(num_tokens, embedding_dim)
        self.recurrent = build_layer(
            cell, embedding_dim, hidden_size, forget_bias=forget_bias, initialization=initialization
        )
        self.head = nn.Linear(hidden_size * self.recurrent.num_directions, num_classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits [B, num_classes] of tokens [B, T].

        Raises:
            ValueError: tokens have another shape or dtype, or are not in the vocabulary, or a sequence is only padding.
        """
        self._check(tokens)
        first, last = self._spans(tokens)
        steps = tokens.shape[1]
        if is_transforming():
            packings = span_packing(first, last - first + 1, steps, tokens.device)
            _, states = self.recurrent.scan_stack(self.embedding(tokens.t().reshape(-1)), packings, None)
            return self.head(torch.cat(states[0].unbind(), dim=1))
        shift = torch.arange(steps, device="cpu") + (last + 1 - steps)[:, None]
        if self.padding is not None:
            tokens = tokens.gather(1, (shift % steps).to(tokens.device))
            first = first + steps - 1 - last
        finals = [self._final(tokens, first, 0)]
        if self.recurrent.bidirectional:
            around = torch.arange(steps - 1, -1, -1, device="cpu") + first[:, None]
            finals.append(self._final(tokens.gather(1, (around % steps).to(tokens.device)), first, 1))
        return self.head(torch.cat(finals, dim=1))

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

    def _spans(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """First and last step of each sequence, on the CPU."""
        batch, steps = tokens.shape
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
