"""A character model's steps when it writes: an LSTM's with the embedding multiplied in beforehand, in place.

    z = E_t + [h of the layer below | h] [W | U]',   (i, f, s, o) = sigmoid(z),   c = f c + i (2s - 1),   h = o tanh(c)

E holds what each character adds to the gates, biases included; g = tanh(z) is 2 sigmoid(2z) - 1, and the inner 2 is in
its weights.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..layers.lstm import LSTM
from .char_lm import CharLM, State

Step = Callable[[Tensor], Tensor]


def writing_step(model: CharLM, state: State) -> Step:
    """A function of the next characters [B] that gives the logits [B, V] of those after them, and keeps the state.

    The weights are read now: what changes them later is not seen.

    Args:
        model: in eval mode.
        state: after what has been read.
    """
    layers = model.layers()
    plain = all(type(part) is LSTM and not (part.layer_norm or part.zoneout or part.proj_size) for part in layers)
    if isinstance(state, Tensor) or not plain or torch.is_autocast_enabled(state[0].device.type):
        return _by_model(model, state)
    return _by_tables(model, state)


def _by_model(model: CharLM, state: State) -> Step:
    def step(tokens: Tensor) -> Tensor:
        nonlocal state
        logits, _, state = model(tokens[:, None], None, state)
        return logits[:, -1]

    return step


def _by_tables(model: CharLM, state: tuple[Tensor, ...]) -> Step:
    depth, batch, hidden = state[0].shape
    c = state[1].clone()
    all_h = state[0].transpose(0, 1).reshape(batch, depth * hidden)  # of the layers side by side
    z = all_h.new_empty(batch, 4 * hidden)
    i, f, s, o = z.split(hidden, dim=1)
    steps = []
    for place, (table, weight) in enumerate(_tables(model)):
        own = all_h[:, place * hidden : (place + 1) * hidden]
        steps.append((table, weight, all_h[:, max(0, place - 1) * hidden : (place + 1) * hidden], own, c[place]))
    head = model.head
    read = all_h if model.skip else own

    @torch.inference_mode()
    def step(tokens: Tensor) -> Tensor:
        for table, weight, entering, h, memory in steps:
            added = table.index_select(0, tokens) if table.dim() == 2 else table
            torch.addmm(added, entering, weight, out=z)
            z.sigmoid_()
            memory.mul_(f).addcmul_(i, s, value=2).sub_(i)
            torch.tanh(memory, out=h)
            h.mul_(o)
        return torch.addmm(head.bias, read, head.weight.t())

    return step


@torch.no_grad()
def _tables(model: CharLM) -> list[tuple[Tensor, Tensor]]:
    """What is added to the gates of each layer, [V, 4H] or [4H] where it reads no embedding; its weights [., 4H]."""
    found, embedded = [], model.embedding.weight
    layers = [(layer, number) for layer in model.layers() for number in range(layer.num_layers)]
    for place, (layer, number) in enumerate(layers):
        weights = layer.layer_weights(number, 0)
        w, u = weights["weight_ih"], weights["weight_hh"]
        bias = sum((weights[name] for name in ("bias_ih", "bias_hh") if name in weights), w.new_zeros(len(w)))
        width = embedded.shape[1] if model.skip or place == 0 else 0
        added = embedded @ w[:, :width].t() + bias if width else bias.clone()
        joined = torch.cat((w[:, width:], u), dim=1).t().contiguous()
        for part in (added, joined):
            part.unflatten(-1, (4, -1))[..., 2, :] *= 2
        found.append((added, joined))
    return found
