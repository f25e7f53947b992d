"""Which node is meant by a name or an index."""

from torch_geometric.data import Data

from graphreel.core.near_names import did_you_mean


def node_index(data: Data, node: str | int) -> int:
    """The index of a node given by name or index.

    Raises:
        ValueError: If there is no such node.
    """
    names = getattr(data, "node_names", None)
    if isinstance(node, str):
        if names is not None and node in names:
            return int(list(names).index(node))
        if not node.isdecimal():
            known = "its nodes have no names" if names is None else f"its nodes are {_listed(names)}"
            raise ValueError(f"the graph has no node {node!r}: {known}{did_you_mean(node, names or ())}")
        node = int(node)
    num_nodes = int(data.num_nodes or 0)
    if not 0 <= node < num_nodes:
        raise ValueError(f"the graph has no node {node}: its nodes are 0 to {num_nodes - 1}")
    return int(node)


def node_label(data: Data, node: int) -> str:
    """The name of a node, or its number where the graph's nodes have no names."""
    names = getattr(data, "node_names", None)
    return str(node) if names is None else str(names[node])


def _listed(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 10 else f"{', '.join(names[:8])}, ... ({len(names)} in all)"
