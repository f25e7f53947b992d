"""The public names: signatures, and the state dicts of small models."""

import inspect
from collections.abc import Callable
from typing import Any

from rooms import room
from torch import nn

ROOMS = ("gnn", "rnn", "combined", "data")


def signatures() -> dict[str, Any]:
    """{room: {name: {"positional": [names], "defaults": {name: default}}}} of what `__all__` lists."""
    told: dict[str, Any] = {}
    for name in ROOMS:
        package = room(name)
        told[name] = {public: _signature(getattr(package, public)) for public in sorted(package.__all__)}
    return told


def _signature(thing: Any) -> dict[str, Any]:
    if not callable(thing):
        return {}
    positional, defaults = [], {}
    for parameter in inspect.signature(thing).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.kind is not parameter.KEYWORD_ONLY:
            positional.append(parameter.name)
        defaults[parameter.name] = _default(parameter.default)
    return {"positional": positional, "defaults": defaults}


def _default(value: Any) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    return getattr(value, "__name__", None) or repr(value)


def models() -> dict[str, Callable[[], nn.Module]]:
    """A small model of every public class, made when called."""
    gnn, rnn, combined = room("gnn"), room("rnn"), room("combined")
    return {
        "GCN": lambda: gnn.GCN(3, 8, 2, 4),
        "GCN batch residual": lambda: gnn.GCN(3, 8, 3, 4, norm="batch", residual=True, pool="sum"),
        "GAT": lambda: gnn.GAT(3, 8, 2, 4, heads=2),
        "GAT v2 residual": lambda: gnn.GAT(3, 8, 2, 4, heads=2, v2=True, norm="layer", residual=True),
        "GCNConv": lambda: gnn.GCNConv(3, 4),
        "GATConv": lambda: gnn.GATConv(3, 4, heads=2, edge_dim=2, residual=True),
        "GATConv bipartite": lambda: gnn.GATConv((3, 5), 4),
        "MixedOrderConv": lambda: gnn.MixedOrderConv(3, 4, 2),
        "GATv2Conv": lambda: gnn.GATv2Conv(3, 4, heads=2, edge_dim=2),
        "RNN": lambda: rnn.RNN(3, 4, 2, bidirectional=True),
        "LSTM": lambda: rnn.LSTM(3, 4, 2, bidirectional=True),
        "LSTM layer norm": lambda: rnn.LSTM(3, 4, layer_norm=True),
        "GRU": lambda: rnn.GRU(3, 4),
        "GRU uva": lambda: rnn.GRU(3, 4, variant="uva"),
        "PeepholeLSTM gers": lambda: rnn.PeepholeLSTM(3, 4, variant="gers"),
        "PeepholeLSTM uva": lambda: rnn.PeepholeLSTM(3, 4, variant="uva"),
        "LSTMCell": lambda: rnn.LSTMCell(3, 4),
        "GRUCell": lambda: rnn.GRUCell(3, 4),
        "PeepholeLSTMCell": lambda: rnn.PeepholeLSTMCell(3, 4),
        **{f"SequenceClassifier {cell}": _classifier(cell) for cell in ("rnn", "lstm", "gru", "peephole", "bilstm")},
        "CharLM": lambda: rnn.CharLM(7, 3, 4),
        "CharLM skip": lambda: rnn.CharLM(7, 3, 4, cell="gru", skip=True),
        "TGCN": lambda: combined.TGCN(3, 4),
        "EmbeddedHead": lambda: combined.EmbeddedHead(4, 3, 2, 1),
        "GraphLayers": lambda: combined.GraphLayers(3, 4),
        "NodeLayers": lambda: combined.NodeLayers(3, 4, standardize=True),
        "TimeConvolution": lambda: combined.TimeConvolution(3, 4),
        "LinearForecast": lambda: combined.LinearForecast(3, 2, nodes=4),
        "ClipClassifier": lambda: combined.ClipClassifier(
            gnn.GCN(3, 8, 2, 6), rnn.GRU(6, 5, batch_first=True), 2, pool="attention", readout="attention"
        ),
        "Forecaster": lambda: combined.Forecaster(
            gnn.GCNConv(2, 6), rnn.GRU(6, 5, batch_first=True), 3, autoregressive=2
        ),
    }


def _classifier(cell: str) -> Callable[[], nn.Module]:
    return lambda: room("rnn").SequenceClassifier(7, 3, 4, 2, cell=cell)


def states() -> dict[str, dict[str, list[int]]]:
    """{model: {key: shape}}, in the state dict's order."""
    return {
        name: {key: list(value.shape) for key, value in make().state_dict().items()} for name, make in models().items()
    }
