"""Zachary's karate club: a small social network from the dependencies."""

import networkx as nx
import torch
from torch_geometric.data import Data


def load_karate() -> Data:
    """The 34 members of a karate club that split in two, and who met whom outside it.

    W. W. Zachary, "An information flow model for conflict and fission in small groups", 1977, as
    `networkx.karate_club_graph`. The classes are the two clubs after the split, Mr. Hi's and the Officer's; edges carry
    no weights here (the number of meetings is left out) and features are one-hot, so that only the edges tell anything.
    The split is fixed: of each club the leader and three more members (every fourth of the list) are known, four are
    for validation, and the 18 others are tested, nine of each club.

    Returns:
        Data with x [34, 34], edge_index [2, 156], y [34], the three masks [34], node_names, class_names, name.
    """
    graph = nx.karate_club_graph()
    pairs = sorted({(a, b) for a, b in graph.edges} | {(b, a) for a, b in graph.edges})
    class_names = ["Mr. Hi", "Officer"]
    y = torch.tensor([class_names.index(graph.nodes[node]["club"]) for node in graph])
    masks = torch.zeros(3, graph.number_of_nodes(), dtype=torch.bool)
    for label, leader in ((0, 0), (1, 33)):
        others = [node for node in (y == label).nonzero().flatten().tolist() if node != leader]
        masks[0, [leader, *others[0:12:4]]] = True
        masks[1, others[2:16:4]] = True
    masks[2] = ~(masks[0] | masks[1])
    leaders = {0: "Mr. Hi", 33: "Officer"}
    return Data(
        x=torch.eye(graph.number_of_nodes()),
        edge_index=torch.tensor(pairs).t().contiguous(),
        y=y,
        train_mask=masks[0],
        val_mask=masks[1],
        test_mask=masks[2],
        node_names=[leaders.get(node, f"member {node}") for node in graph],
        class_names=class_names,
        name="karate",
    )
