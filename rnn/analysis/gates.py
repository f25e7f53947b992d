"""What the gates of a trained layer do along a sequence."""

import torch
from torch import Tensor

from ..layers.recurrent import Recurrent
from ..models.char_lm import CharLM
from ..models.sequence_classifier import SequenceClassifier
from ..sequence.packing import full_packing
from ..sequence.scan import scan_gates


@torch.no_grad()
def gates(
    model: Recurrent | SequenceClassifier | CharLM, input: Tensor, layer: int = 0, reverse: bool = False
) -> dict[str, Tensor]:
    """The gates of one layer at every step, each [B, T, H].

    Dropout and zoneout are left out, and padding tokens count as steps, so that a picture shows them too.

    Args:
        model: an RNN, LSTM, PeepholeLSTM, GRU, SequenceClassifier or CharLM.
        input: tokens [B, T] for a SequenceClassifier or a CharLM; for a layer [T, B, I], with batch_first [B, T, I].
        reverse: the backward direction of a bidirectional layer; step t is still that of input t.

    Returns:
        "i", "f", "g", "o" for LSTMs; "r", "z", "n" for GRUs; and for all "h", for LSTMs "c", after each step.

    Raises:
        ValueError: there is no such layer or direction, or the input does not fit.
    """
    if isinstance(model, CharLM):
        return _text_gates(model, input, layer, reverse)
    if isinstance(model, SequenceClassifier):
        model._check(input)
        recurrent, x = model.recurrent, model.embedding(input.t())
    else:
        recurrent = model
        recurrent._check_features(input, dims=(3,))
        if input.numel() == 0:
            raise ValueError(f"input must hold at least one step of one sequence, but got shape {tuple(input.shape)}")
        x = input.transpose(0, 1) if recurrent.batch_first else input
    if not 0 <= layer < recurrent.num_layers:
        raise ValueError(f"layer must lie between 0 and {recurrent.num_layers - 1}, but got {layer!r}")
    if reverse and not recurrent.bidirectional:
        raise ValueError("reverse needs a bidirectional layer, but this one only scans forward")
    for below in range(layer):
        x = torch.cat([_scan(recurrent, x, below, bool(way))["h"] for way in range(recurrent.num_directions)], dim=2)
    return {name: gate.transpose(0, 1) for name, gate in _scan(recurrent, x, layer, reverse).items()}


def _text_gates(model: CharLM, tokens: Tensor, layer: int, reverse: bool) -> dict[str, Tensor]:
    x = model.embedding(tokens)
    if isinstance(model.recurrent, Recurrent):
        return gates(model.recurrent, x, layer, reverse)
    layers = model.layers()
    if not 0 <= layer < len(layers):
        raise ValueError(f"layer must lie between 0 and {len(layers) - 1}, but got {layer!r}")
    read = x
    for below in layers[:layer]:
        read = torch.cat((x, gates(below, read)["h"]), dim=2)
    return gates(layers[layer], read, 0, reverse)


def _scan(recurrent: Recurrent, x: Tensor, layer: int, reverse: bool) -> dict[str, Tensor]:
    steps, batch, width = x.shape
    packing = full_packing(steps, batch, x.device)[int(reverse)]
    zero = x.new_zeros(batch, recurrent.hidden_size)
    initial = tuple(zero for _ in recurrent.state_names)
    weights = recurrent.layer_weights(layer, int(reverse))
    scanned = scan_gates(recurrent.cell, packing.gather(x.reshape(-1, width)), packing.schedule, initial, weights)
    return {name: packing.scatter(gate).view(steps, batch, -1) for name, gate in scanned.items()}
