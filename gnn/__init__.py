"""Space: adjacency algebra, dense formulas, message-passing layers, models, attention pictures."""

from gnn.adjacency import normalized_adjacency
from gnn.gat_conv import GATConv
from gnn.gatv2_conv import GATv2Conv
from gnn.gcn_conv import GCNConv
from gnn.memory import forget

__all__ = ["GATConv", "GATv2Conv", "GCNConv", "forget", "normalized_adjacency"]
