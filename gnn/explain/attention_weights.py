"""Which attention weight is which edge, in every layer and head of a model."""

from contextlib import ExitStack
from inspect import signature
from typing import Any

import torch
import torch_geometric.nn as pyg
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.utils import is_torch_sparse_tensor, to_edge_index

from graphreel.core.evaluation import evaluating

from ..conv.attention_base import AttentionConv

_LAYERS = (AttentionConv, pyg.GATConv, pyg.GATv2Conv)


def attention_weights(model: nn.Module, data: Data) -> list[tuple[Tensor, Tensor]]:
    r"""The attention weights :math:`\alpha_{ij}` of every attention layer, in the order in which the layers run.

    The model runs once in evaluation mode, without gradients; its train flags are as before afterwards.

    Args:
        model: A model with attention layers (:class:`gnn.GAT`, PyTorch Geometric's GAT, any module that calls
            ``GATConv`` or ``GATv2Conv`` of either), or one such layer.
        data: The graph: ``x``, ``edge_index``, and ``edge_attr`` where the layers use it.

    Returns:
        For each layer ``edge_index`` [2, E] (row 0 sources, row 1 targets, self-loops included) and ``alpha``
        [E, heads]. For each target and head, alpha sums to 1 over the edges that enter the target.

    Raises:
        ValueError: If the model has no attention layer, or they use edge features and ``data`` has none.
    """
    return [(edge_index, alpha) for edge_index, alpha, _, _ in watch_attention(model, data)[0]]


def watch_attention(model: nn.Module, data: Data) -> tuple[list[tuple[Tensor, Tensor, Tensor, Tensor]], Any]:
    """As :func:`attention_weights`, with what goes into and comes out of each layer, and the result of the model."""
    layers = [module for module in model.modules() if isinstance(module, _LAYERS)]
    if not layers:
        name = type(model).__name__
        raise ValueError(f"model must have an attention layer (GATConv or GATv2Conv), but {name} has none")
    recorded: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []

    asked: list[bool] = []  # of the calls under way: whether the model itself wants the weights

    def ask(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        call = signature(module.forward).bind(*args, **kwargs)
        asked.append(bool(call.arguments.get("return_attention_weights")))
        call.arguments["return_attention_weights"] = True
        return call.args, call.kwargs

    def record(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
        out: Tensor = result[0]
        x = args[0] if args else kwargs["x"]
        recorded.append((*_edges_and_weights(result[1]), x if isinstance(x, Tensor) else x[0], out))
        return result if asked.pop() else out

    with ExitStack() as stack:
        for layer in layers:
            stack.callback(layer.register_forward_pre_hook(ask, with_kwargs=True).remove)
            stack.callback(layer.register_forward_hook(record, with_kwargs=True).remove)
        with evaluating(model.modules()), torch.no_grad():
            return recorded, model(data.x, data.edge_index, **_further_arguments(model, layers, data))


def _further_arguments(model: nn.Module, layers: list[Any], data: Data) -> dict[str, Any]:
    arguments = {}
    if any(layer.edge_dim is not None for layer in layers):
        if data.edge_attr is None:
            raise ValueError("data must have an edge_attr, which the model's attention uses, but has none")
        arguments["edge_attr"] = data.edge_attr
    if getattr(data, "batch", None) is not None and "batch" in signature(model.forward).parameters:
        arguments["batch"] = data.batch
    return arguments


def _edges_and_weights(weights: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(weights, tuple):  # torch_sparse's SparseTensor
        target, source, alpha = weights.coo()
        return torch.stack([source, target]), alpha
    edges, alpha = weights
    if is_torch_sparse_tensor(edges):
        edges = to_edge_index(edges)[0].flip(0)
    return edges, alpha
