"""Space: adjacency algebra, dense formulas, message-passing layers, models, attention pictures."""

from gnn.gat_conv import GATConv
from gnn.gatv2_conv import GATv2Conv

__all__ = ["GATConv", "GATv2Conv"]
