"""What comes in: graphs, sequences, books, clips, sensor series.

Importing this package is cheap: torch and PyG are imported when a data set is loaded or another name is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from data.loading import load, locate, names

if TYPE_CHECKING:
    from data.graph_checks import check_graph
    from data.graph_figures import bag_of_words_accuracy, describe, majority_accuracy
    from data.neighbor_sampler import NeighborSampler, neighbor_loader, with_gcn_weights
    from data.sparse_features import to_sparse

__all__ = [
    "NeighborSampler",
    "bag_of_words_accuracy",
    "check_graph",
    "describe",
    "load",
    "locate",
    "majority_accuracy",
    "names",
    "neighbor_loader",
    "to_sparse",
    "with_gcn_weights",
]

_MODULES = {
    "NeighborSampler": "data.neighbor_sampler",
    "bag_of_words_accuracy": "data.graph_figures",
    "check_graph": "data.graph_checks",
    "describe": "data.graph_figures",
    "majority_accuracy": "data.graph_figures",
    "neighbor_loader": "data.neighbor_sampler",
    "to_sparse": "data.sparse_features",
    "with_gcn_weights": "data.neighbor_sampler",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'data' has no attribute {name!r}")
