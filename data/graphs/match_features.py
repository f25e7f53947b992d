"""The features of a new graph in the order and with the meaning that a model was trained on."""

from collections.abc import Sequence

import torch
from torch_geometric.data import Data

from .complete_graph import DEGREE_NAMES, degrees_of

_ONE_OF_MANY = ("node ", "tag ", "label ", "degree ")


def match_features(graph: Data, names: Sequence[str], trained: Sequence[str], width: int, notes: list[str]) -> Data:
    """A copy of a graph whose columns of x are those of the training, matched by name where both have names.

    A word, tag or node that a one-hot column of the training stands for may be missing here: the column is 0. What
    is there beyond the training's columns is left out, and said.

    Args:
        names, trained: the columns of x of the graph and of the training; empty where they have no names.
        width: how many columns the training had.
        notes: gets what was left out.

    Raises:
        ValueError: a column of numbers is missing, or the widths differ where there are no names.
    """
    graph = graph.clone()
    if list(trained) == DEGREE_NAMES:
        graph.x = degrees_of(graph)
    elif names and trained:
        place = {name: column for column, name in enumerate(names)}
        absent = [name for name in trained if name not in place]
        needed = [name for name in absent if "=" not in name and not name.startswith(_ONE_OF_MANY)]
        if needed or len(absent) == len(trained):
            raise ValueError(f"the graph lacks {_listed(needed or absent)}, on which the run was trained")
        beyond = [name for name in names if name not in set(trained)]
        if beyond:
            note = f"{_listed(beyond)} did not come in training and is left out"
            notes += [note] if note not in notes else []
        x = torch.zeros(graph.x.size(0), len(trained))
        known = [column for column, name in enumerate(trained) if name in place]
        x[:, known] = graph.x[:, [place[trained[column]] for column in known]]
        graph.x = x
    elif graph.x.size(-1) != width:
        raise ValueError(f"the graph has {graph.x.size(-1)} features, but the run was trained on {width}")
    return graph


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
