"""What a clip's class came from, in numbers: attention where a model has it, influence everywhere."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from graphreel.core.evaluation import evaluating
from graphreel.gnn import attention_weights

from .models.clip_classifier import ClipClassifier


def clip_attention(
    classify: ClipClassifier, clip: Data, classes: Sequence[str] | None = None, shares: Tensor | None = None
) -> dict[str, Any]:
    r"""The numbers behind the pictures of one clip.

    Not every model attends, so there is also the influence on the logit :math:`z` of the predicted class: how it
    changes, to first order, when a node is replaced by the clip's mean node, or an edge left out,

    .. math:: I_i = |\nabla_{x_i} z \cdot (x_i - \bar x)|, \qquad I_e = |\partial z / \partial w_e|\, w_e.

    Args:
        classes: their names.
        shares: the probability of every class [classes] where more than this view of the clip was asked, as its mirror
            image; left out, those of this view.

    Returns:
        probabilities {class: p}; frames [frames], summing to 1 (with recurrence over nodes, the mean over the tracks);
        nodes [nodes], each node's weight in its frame; edges: for every edge source, target, weight, the mean over the
        heads of the last attention layer (self-loops included, summing to 1 into each target), or 1 / in-degree where
        no layer attends; attention: whether one does; influence: of nodes [nodes] and frames [frames], each summing to
        1, and of edges as listed, or None where the graph layers read no edge weights or attend.

    Raises:
        ValueError: more than one clip, or as many names of classes as there are not classes.
    """
    return weigh_clip(classify, clip, classes, shares)[0]


def weigh_clip(
    classify: ClipClassifier, clip: Data, classes: Sequence[str] | None = None, shares: Tensor | None = None
) -> tuple[dict[str, Any], list[tuple[Tensor, Tensor]]]:
    """The numbers of `clip_attention`, and for each layer that attends its edges [2, E] and weights [E, heads]; where
    none does, the edges by 1 / in-degree.
    """
    with torch.no_grad(), evaluating(classify.modules()):
        logits, weights = classify.attend(clip)
    if len(logits) != 1:
        raise ValueError(f"expected one clip, got a batch of {len(logits)}")
    names = list(classes) if classes is not None else [str(number) for number in range(logits.size(1))]
    if len(names) != logits.size(1):
        raise ValueError(f"classes has {len(names)} names, but the model tells {logits.size(1)} classes apart")
    shares = logits[0].softmax(0) if shares is None else shares
    attends = classify.spatial is not None and any(
        "return_attention_weights" in inspect.signature(layer.forward).parameters
        for layer in classify.spatial.modules()
    )
    if classify.spatial is not None and attends:
        layers = [(edges.cpu(), alpha.cpu()) for edges, alpha in attention_weights(classify.spatial, clip)]
    else:
        edge_index = clip.edge_index.cpu()
        even = torch.bincount(edge_index[1], minlength=len(clip.x)).clamp(min=1).reciprocal()[edge_index[1]]
        layers = [(edge_index, even[:, None])]
    edge_index, alpha = layers[-1]
    with evaluating(classify.modules()):
        nodes, edges = _influence(classify, clip, int(shares.argmax()), not attends)
    frames = nodes.new_zeros(int(clip.num_frames)).index_add_(0, clip.frame.cpu(), nodes)
    numbers = {
        "probabilities": dict(zip(names, shares.tolist(), strict=True)),
        "attention": attends,
        "frames": weights.frames.mean(0)[: int(clip.num_frames)].tolist(),
        "nodes": weights.nodes.tolist(),
        "edges": [
            {"source": source, "target": target, "weight": weight}
            for (source, target), weight in zip(edge_index.t().tolist(), alpha.mean(1).tolist(), strict=True)
        ],
        "influence": {
            "nodes": nodes.tolist(),
            "frames": frames.tolist(),
            "edges": None if edges is None else edges.tolist(),
        },
    }
    return numbers, layers


def _influence(classify: ClipClassifier, clip: Data, likeliest: int, of_edges: bool) -> tuple[Tensor, Tensor | None]:
    """The influence of nodes [nodes] and, where edge weights are read, of edges [edges]; each sums to 1."""
    varied = clip.clone()
    varied.x = clip.x.detach().clone().requires_grad_()
    asked = [varied.x]
    of_edges &= classify.spatial is not None and "edge_weight" in inspect.signature(classify.spatial.forward).parameters
    if of_edges:
        given = clip.get("edge_weight")
        weight = torch.ones(clip.edge_index.size(1)) if given is None else given.detach().float()
        varied.edge_weight = weight.to(clip.x).clone().requires_grad_()
        asked.append(varied.edge_weight)
    with torch.enable_grad():
        found = torch.autograd.grad(classify(varied)[0, likeliest], asked, allow_unused=True)
    slope = torch.zeros_like(clip.x) if found[0] is None else found[0]
    nodes = (slope * (clip.x - clip.x.mean(0))).sum(1).abs()
    edges = (found[1] * varied.edge_weight).detach().abs() if of_edges and found[1] is not None else None
    return _shares(nodes), None if edges is None else _shares(edges)


def _shares(values: Tensor) -> Tensor:
    return (values / values.sum().clamp(min=1e-12)).cpu()


@dataclass(frozen=True)
class ShownWeights:
    """What a picture of a clip shows: attention where the model has it, else influence.

    Attributes:
        nodes, frames: a weight of each.
        ends, edges: the nodes that each edge joins [edges, 2], and its weight.
        nodes_are, edges_are: what these weights are, in words.
    """

    nodes: np.ndarray
    frames: np.ndarray
    ends: np.ndarray
    edges: np.ndarray
    nodes_are: str
    edges_are: str


def shown_weights(numbers: dict[str, Any], frame: Tensor) -> ShownWeights:
    """Of the numbers of `clip_attention` those to draw; frame [nodes] is the frame that each node is in."""
    influence = numbers["influence"]
    ends = np.array([(edge["source"], edge["target"]) for edge in numbers["edges"]], dtype=int).reshape(-1, 2)
    edges, edges_are = np.array([edge["weight"] for edge in numbers["edges"]]), "attention"
    if not numbers["attention"]:
        edges_are = "1 / in-degree (no layer attends)"
        if influence["edges"] is not None:
            edges, edges_are = np.array(influence["edges"]), "influence"
    nodes, frames = np.array(numbers["nodes"]), np.array(numbers["frames"])
    even = 1 / np.bincount(frame.numpy(), minlength=1)[frame.numpy()] if len(nodes) else nodes
    nodes_are = "attention"
    if np.allclose(nodes, even, atol=1e-6):
        nodes, nodes_are = np.array(influence["nodes"]), "influence"
    if np.allclose(frames, 1 / len(frames), atol=1e-6):
        frames = np.array(influence["frames"])
    return ShownWeights(nodes, frames, ends, edges, nodes_are, edges_are)
