"""Somebody's model with our layers in place of PyTorch Geometric's and torch.nn's, and back."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
import torch_geometric.nn as pyg
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves
from torch_geometric.nn import MessagePassing

from graphreel import gnn, rnn
from graphreel.core.evaluation import evaluating

_CONV = ("in_channels", "out_channels", "aggr", "flow")
_GCN = (*_CONV, "node_dim", "improved", "cached", "add_self_loops", "normalize")
_ATTENTION = (*_CONV, "heads", "concat", "negative_slope", "dropout", "add_self_loops", "edge_dim", "fill_value")
_RECURRENT = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional")
# theirs -> ours, and the attributes of theirs that ours is made from
_SWAPS: dict[type, tuple[Callable[..., nn.Module], tuple[str, ...]]] = {
    pyg.GCNConv: (gnn.GCNConv, _GCN),
    pyg.GATConv: (gnn.GATConv, (*_ATTENTION, "residual")),
    pyg.GATv2Conv: (gnn.GATv2Conv, (*_ATTENTION, "residual", "share_weights")),
    nn.LSTM: (rnn.LSTM, (*_RECURRENT, "proj_size")),
    nn.GRU: (rnn.GRU, _RECURRENT),
    nn.RNN: (rnn.RNN, (*_RECURRENT, "nonlinearity")),
}
_ORIGINAL = "_before_accelerate"
_KEPT = ("_parameters", "_modules", "_buffers", "training", "_cached_edge_index", "_cached_adj_t")


def accelerate(model: nn.Module, sample: Any = None) -> nn.Module:
    """Turn each GCNConv, GATConv, GATv2Conv, LSTM, GRU and RNN of the other libraries in a model into ours.

    The modules stay the objects that they are, with the same parameters, so that optimizers, hooks and references hold;
    state dicts do not change. A line is printed that says what was swapped, and what was left and why.

    Args:
        model: Any module, or one such layer itself.
        sample: An input, a tuple of arguments or a dict of keyword arguments. The model runs on it in evaluation mode
            before and after, and the results must agree.

    Returns:
        ``model``, changed in place; :func:`restore` undoes it.

    Raises:
        ValueError: The results on the sample differ. The model is then as it was.
    """
    before = None if sample is None else _evaluate(model, sample)
    swapped: Counter[str] = Counter()
    left: list[str] = []
    for name, module in model.named_modules():
        if isinstance(module, (gnn.GCNConv, gnn.GATConv, gnn.GATv2Conv)) or _ORIGINAL in module.__dict__:
            continue
        reason = _why_left(module)
        if reason is None:
            swapped[type(module).__name__] += 1
            _swap(module)
        elif reason:
            left.append(f"{name or 'the model'} ({type(module).__name__}: {reason})")
    if before is not None:
        worst = _difference(before, _evaluate(model, sample))
        if worst is not None:
            restore(model)
            raise ValueError(f"sample gives other results after the swap ({worst}), so the model was left as it was")
    counts = ", ".join(f"{count} {kind}" for kind, count in swapped.items()) or "nothing"
    print(f"accelerate: swapped {counts}" + (f"; left {', '.join(left)}" if left else ""))
    return model


def restore(model: nn.Module) -> nn.Module:
    """Undo :func:`accelerate`, with the parameters as they are now."""
    for module in model.modules():
        if _ORIGINAL in module.__dict__:
            kind, attributes = module.__dict__[_ORIGINAL]
            _become(module, kind, {**attributes, **_shared(module)})
            if isinstance(module, nn.RNNBase):
                module._init_flat_weights()
    return model


def _why_left(module: nn.Module) -> str | None:
    """None if a module can be swapped, why not if it is of a kind that might have been, "" for any other."""
    kind = type(module)
    if kind in _SWAPS:
        return None
    if any(issubclass(kind, theirs) for theirs in _SWAPS):
        return "a subclass may do something else"
    return "no counterpart" if isinstance(module, MessagePassing | nn.RNNBase) else ""


def _swap(module: nn.Module) -> None:
    theirs = type(module)
    make, names = _SWAPS[theirs]
    arguments = {name: getattr(module, name) for name in names if hasattr(module, name)}
    if isinstance(module, MessagePassing):
        arguments["bias"] = module.bias is not None
        if theirs is pyg.GATv2Conv:  # whose linear maps may have a bias where the layer has none, and the reverse
            arguments["bias"] = module.lin_l.bias is not None or module.bias is not None
    with torch.random.fork_rng():
        fresh = make(**arguments)
    before = dict(module.__dict__)
    own = {name: value for name, value in before.items() if name not in fresh.__dict__ and not name.startswith("_")}
    kept = {**own, **_shared(module)} if isinstance(module, MessagePassing) else _shared(module)
    _become(module, type(fresh), {**fresh.__dict__, **kept, _ORIGINAL: (theirs, before)})


def _shared(module: nn.Module) -> dict[str, Any]:
    """What a module keeps, whichever class it is of: parameters, submodules, buffers, hooks and its mode."""
    attributes = module.__dict__
    return {name: value for name, value in attributes.items() if name in _KEPT or "_hooks" in name}


def _become(module: nn.Module, kind: type, attributes: dict[str, Any]) -> None:
    module.__dict__.clear()
    module.__dict__.update(attributes)
    module.__class__ = kind


def _evaluate(model: nn.Module, sample: Any) -> list[Any]:
    args, kwargs = (sample if isinstance(sample, tuple) else (sample,)), {}
    if isinstance(sample, dict):
        args, kwargs = (), sample
    with torch.no_grad(), evaluating(model.modules()):
        return tree_leaves(model(*args, **kwargs))


def _difference(before: list[Any], after: list[Any]) -> str | None:
    if len(before) != len(after):
        return f"{len(after)} values in place of {len(before)}"
    for old, new in zip(before, after, strict=True):
        if isinstance(old, Tensor) and old.is_floating_point():
            if old.shape != new.shape or old.dtype != new.dtype:
                return f"{new.dtype} {list(new.shape)} in place of {old.dtype} {list(old.shape)}"
            tolerance = 1e-3 * float(old.abs().max()) + 1e-5 if old.numel() else 0.0
            if not torch.allclose(old, new, rtol=0.0, atol=tolerance, equal_nan=True):
                return f"by up to {float((old - new).abs().max()):.3g}"
    return None
