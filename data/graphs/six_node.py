"""The six nodes A-F on which the report explains neighbourhood aggregation, with a task that needs the edges."""

import torch
from torch_geometric.data import Data

_EDGES = ("A-B", "A-E", "A-F", "B-D", "C-D", "D-F")


def load_six_node() -> Data:
    """Six nodes, six undirected edges, two circles of friends.

    A~ = A + I, row by row: 110011 / 110100 / 001100 / 011101 / 100010 / 100101.

    The task: the circles are {A, B, E} and {C, D, F}; four of the six edges stay inside a circle. The labels of B, C, E
    and F are given, those of the two hubs A and D are hidden, and most of what their neighbours say is right. Features
    are one-hot, so that they say nothing about a node without a label: a model that does not use the edges is at
    chance (0.5) on the hubs. Six nodes leave none for validation, so `val_mask` equals `train_mask`.

    Returns:
        Data with x [6, 6], edge_index [2, 12], y [6], the three masks [6], node_names, class_names, name.
    """
    names = "ABCDEF"
    pairs = [(names.index(edge[0]), names.index(edge[2])) for edge in _EDGES]
    both = sorted(pairs + [(target, source) for source, target in pairs])
    given = torch.tensor([name in "BCEF" for name in names])
    return Data(
        x=torch.eye(6),
        edge_index=torch.tensor(both).t().contiguous(),
        y=torch.tensor([0 if name in "ABE" else 1 for name in names]),
        train_mask=given,
        val_mask=given.clone(),
        test_mask=~given,
        node_names=list(names),
        class_names=["circle of A", "circle of D"],
        name="six-node",
    )
