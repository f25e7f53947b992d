"""Space: adjacency algebra, dense formulas, message-passing layers, models, attention pictures."""

from gnn.adjacency import normalized_adjacency
from gnn.attention_report import write_attention
from gnn.attention_summary import draw_summary
from gnn.attention_weights import attention_weights
from gnn.dense import dense_gat, dense_gatv2, dense_gcn
from gnn.draw_attention import draw_attention
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
    "draw_attention",
    "draw_summary",
    "forget",
    "gradient_after",
    "normalized_adjacency",
    "updates_between",
    "write_attention",
]
