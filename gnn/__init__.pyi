from .adjacency import normalized_adjacency
from .conv.gat_conv import GATConv
from .conv.gatv2_conv import GATv2Conv
from .conv.gcn_conv import GCNConv
from .conv.mixed_order_conv import MixedOrderConv
from .dense import dense_gat, dense_gatv2, dense_gcn
from .explain.attention_page import AttentionPage, attention_page, show_attention
from .explain.attention_report import write_attention
from .explain.attention_summary import draw_summary
from .explain.attention_weights import attention_weights
from .explain.plot_attention import draw_attention
from .explain.reachability import gradient_after, updates_between
from .graph_loader import GraphLoader
from .kernels.tensor_cache import forget
from .models.gat import GAT
from .models.gcn import GCN

__all__ = [
    "GAT",
    "GCN",
    "AttentionPage",
    "GATConv",
    "GATv2Conv",
    "GCNConv",
    "GraphLoader",
    "MixedOrderConv",
    "attention_page",
    "attention_weights",
    "dense_gat",
    "dense_gatv2",
    "dense_gcn",
    "draw_attention",
    "draw_summary",
    "forget",
    "gradient_after",
    "normalized_adjacency",
    "show_attention",
    "updates_between",
    "write_attention",
]
