"""What a model must beat: the majority class, and a linear model that sees no edges."""

import warnings

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data


def majority(labels: Tensor) -> float:
    """Share of the most frequent class: the best accuracy of any constant answer on these labels."""
    return (torch.bincount(labels.flatten()).max() / labels.numel()).item()


def logistic_regression(graph: Data) -> float:
    """Test accuracy of scikit-learn's logistic regression on the features alone, C chosen on the validation part."""
    from scipy import sparse
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    x = graph.x.cpu()
    features = sparse.csr_matrix((x.to_dense() if x.layout != torch.strided else x).numpy())
    labels = graph.y.cpu().numpy()
    train, val, test = (graph[f"{part}_mask"].cpu().numpy() for part in ("train", "val", "test"))
    if len(np.unique(labels[train])) < 2:
        return float((labels[test] == labels[train][0]).mean())
    best, accuracy = -1.0, 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for strength in (0.1, 1.0, 10.0, 100.0, 1000.0):
            model = LogisticRegression(C=strength, max_iter=300).fit(features[train], labels[train])
            chosen_by = model.score(features[val], labels[val])
            if chosen_by > best:
                best, accuracy = chosen_by, model.score(features[test], labels[test])
    return float(accuracy)
