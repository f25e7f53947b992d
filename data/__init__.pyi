from .graphs.graph_checks import check_graph
from .graphs.graph_metrics import bag_of_words_accuracy, describe, majority_accuracy
from .graphs.neighbor_loader import neighbor_loader, with_gcn_weights
from .graphs.neighbor_sampler import NeighborSampler
from .graphs.on_disk.disk_graph import DiskGraph, open_graph
from .graphs.sparse_features import to_sparse
from .registry import load, locate, names

__all__ = [
    "DiskGraph",
    "NeighborSampler",
    "bag_of_words_accuracy",
    "check_graph",
    "describe",
    "load",
    "locate",
    "majority_accuracy",
    "names",
    "neighbor_loader",
    "open_graph",
    "to_sparse",
    "with_gcn_weights",
]
