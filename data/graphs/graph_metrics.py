"""What a labelled graph is like before any network sees it, and what can be had without its edges."""

from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch_geometric.data import Data

_STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)


def edge_homophily(data: Data) -> float:
    """The share of edges that join two nodes of one class (loops left out); NaN without edges."""
    source, target = data.edge_index[:, data.edge_index[0] != data.edge_index[1]]
    return float((data.y[source] == data.y[target]).double().mean())


def majority_accuracy(data: Data) -> float:
    """The share of the test nodes' commonest class: no constant answer does better."""
    labels = data.y[data.test_mask]
    return float(labels.bincount().max() / labels.numel())


def bag_of_words_accuracy(data: Data) -> float:
    """The test accuracy of a logistic regression on x alone, its C chosen on the validation nodes.

    This is what a graph network has to beat: the same nodes and features, no edges.
    """
    x = (data.x if data.x.layout == torch.strided else data.x.to_dense()).numpy().astype(np.float64)
    x = x / max(float(np.abs(x).sum(1).mean()), 1e-12) * 10.0  # C then means the same for counts and for shares
    y = data.y.numpy()
    train, val, test = (data[f"{split}_mask"].numpy() for split in ("train", "val", "test"))
    scores = []
    for strength in _STRENGTHS:
        model = LogisticRegression(C=strength, max_iter=2000).fit(x[train], y[train])
        scores.append((model.score(x[val], y[val]), model.score(x[test], y[test])))
    return float(max(scores, key=lambda score: score[0])[1])


def describe(data: Data) -> dict[str, Any]:
    """Figures of a node-classification graph.

    Returns:
        nodes, edges, features, isolated (nodes without an edge), classes {name: nodes}, split {train, val, test:
        nodes}, homophily, and baselines {majority, bag_of_words}: accuracies on the test nodes.
    """
    counts = data.y.bincount().tolist()
    class_names = data.get("class_names") or [str(label) for label in range(len(counts))]
    degree = data.edge_index.reshape(-1).bincount(minlength=data.num_nodes)
    return {
        "nodes": data.num_nodes,
        "edges": data.num_edges,
        "features": data.num_node_features,
        "isolated": int((degree == 0).sum()),
        "classes": dict(zip(class_names, counts, strict=False)),
        "split": {split: int(data[f"{split}_mask"].sum()) for split in ("train", "val", "test")},
        "homophily": edge_homophily(data),
        "baselines": {"majority": majority_accuracy(data), "bag_of_words": bag_of_words_accuracy(data)},
    }
