"""Which weight each attention layer put on which edge while clips were classified."""

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from combined.clip_classifier import ClipClassifier


@torch.no_grad()
def edge_attention(classify: ClipClassifier, clips: Data) -> list[tuple[Tensor, Tensor]]:
    """The attention of every graph attention layer, in the order in which they run.

    Args:
        classify: the model; layers of `gnn` and of torch_geometric that can return their weights are asked.
        clips: a clip or a batch of clips.

    Returns:
        For every such layer its edges [2, edges], self-loops included, and their weights [edges, heads], which sum to 1
        over the edges into each node. Empty where the graph layers have no attention.
    """
    found: list[tuple[Tensor, Tensor]] = []

    def ask(module: nn.Module, arguments: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return arguments, options | {"return_attention_weights": True}

    def keep(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> Tensor:
        features, (edge_index, weights) = output
        found.append((edge_index, weights))
        return features

    layers = [
        layer
        for layer in (classify.spatial.modules() if classify.spatial is not None else ())
        if "return_attention_weights" in inspect.signature(layer.forward).parameters and hasattr(layer, "heads")
    ]
    hooks = [layer.register_forward_pre_hook(ask, with_kwargs=True) for layer in layers]
    hooks += [layer.register_forward_hook(keep) for layer in layers]
    training = classify.training
    try:
        classify.eval().embed(clips)
    finally:
        classify.train(training)
        for hook in hooks:
            hook.remove()
    return found
