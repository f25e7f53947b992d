"""Space: adjacency algebra, dense formulas, message-passing layers, models, attention pictures."""

from gnn.adjacency import normalized_adjacency
from gnn.attention_weights import attention_weights
from gnn.dense import dense_gat, dense_gatv2, dense_gcn
from gnn.gat import GAT
from gnn.gat_conv import GATConv
from gnn.gatv2_conv import GATv2Conv
from gnn.gcn import GCN
from gnn.gcn_conv import GCNConv
from gnn.memory import forget
from gnn.updates import gradient_after, updates_between

__all__ = [
    "GAT",
    "GCN",
    "GATConv",
    "GATv2Conv",
    "GCNConv",
    "attention_weights",
    "dense_gat",
    "dense_gatv2",
    "dense_gcn",
    "forget",
    "gradient_after",
    "normalized_adjacency",
    "updates_between",
]
