"""The graph between sensors: an adjacency .csv, or the edges in PyG-Temporal's .json."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .csv_rows import is_blank, is_number, rows_of


def read_adjacency(file: Path, series: Path, names: list[str]) -> tuple[Tensor, Tensor]:
    """Edges [2, edges] and weights [edges] of a square .csv, its rows and columns in the order of `names`.

    Raises:
        ValueError: it is no square of finite numbers from 0 up, or of other nodes than the series.
    """
    nodes = len(names)
    rows = [row for row in rows_of(file) if not is_blank(row)]
    sources: list[str] = []
    targets: list[str] = []
    numbered = len(rows) == nodes + 1 and len(rows[0]) == nodes
    if rows and (numbered or not rows[0][0].strip() or not all(is_number(field) for field in rows[0])):
        targets = [field.strip() for field in rows.pop(0)][-len(rows) :]
        named = all(len(row) == len(rows) + 1 for row in rows)
        sources = [row[0].strip() for row in rows] if named else targets
        rows = [row[-len(rows) :] for row in rows]
    if len({len(row) for row in rows}) > 1:
        raise ValueError(f"the adjacency {file.name} must be a square of numbers: its rows differ in length")
    try:
        weights = np.array([[float(field) for field in row] for row in rows])
    except ValueError as error:
        raise ValueError(f"the adjacency {file.name} must be a square of numbers: {error}") from None
    if weights.shape != (nodes, nodes):
        size = " x ".join(str(n) for n in weights.shape)
        raise ValueError(f"the adjacency {file.name} is {size}, but {series.name} has {nodes} nodes")
    weights = weights[np.ix_(_order(sources, names, file, series), _order(targets, names, file, series))]
    source, target = np.nonzero(weights)
    return torch.from_numpy(np.stack([source, target])), _weights(weights[source, target], f"the adjacency {file.name}")


def _order(given: list[str], names: list[str], file: Path, series: Path) -> list[int]:
    """Where each of `names` stands among the names given; where these say nothing of the nodes, in their order."""
    if sorted(given) == sorted(names) and len(set(names)) == len(names):
        return [given.index(name) for name in names]
    plain = [str(number) for number in range(len(names))]
    strange = sorted(set(given) - set(names))
    if strange and set(given) & set(names) and plain not in (given, names):
        raise ValueError(f"the adjacency {file.name} names {strange[0]!r}, which is no node of {series.name}")
    return list(range(len(names)))


def _weights(values: np.ndarray, whose: str) -> Tensor:
    weights = torch.from_numpy(values).float()
    if not torch.isfinite(weights).all():
        raise ValueError(f"{whose} holds values that are NaN or infinite")
    if (weights < 0).any():
        raise ValueError(f"{whose} holds the weight {float(weights.min()):g}: expected none below 0")
    return weights


def json_edges(content: dict[str, Any], shape: tuple[int, ...], name: str) -> tuple[Tensor, Tensor, Tensor | None]:
    """Edges [2, edges], weights [edges] and, where every step has its own, where each step's begin [time + 1].

    Args:
        content: the .json: `edges` with or without `weights`, or `edge_mapping` of `edge_index` and `edge_weight`.
        shape: of the values, [time, nodes].
        name: of the file.

    Raises:
        ValueError: another form, a step without an entry, a node out of range, a weight that is below 0 or not finite.
    """
    steps, nodes = shape
    if "edge_mapping" not in content:
        edges, weights = [content["edges"]], [content.get("weights")]
    else:
        mapping = content["edge_mapping"]
        parts = [mapping.get(key) or {} for key in ("edge_index", "edge_weight")] if isinstance(mapping, dict) else []
        if not parts or not all(isinstance(part, dict) for part in parts):
            raise ValueError(f"edge_mapping of {name} must map each step to its edges, in edge_index and edge_weight")
        missing = next((t for t in range(steps) if str(t) not in parts[0]), None)
        if missing is not None:
            raise ValueError(f"{name} has a gap in time: edge_mapping has no step '{missing}', y has {steps}")
        edges, weights = ([part.get(str(t)) for t in range(steps)] for part in parts)
    index = [_pairs(pairs, nodes, name) for pairs in edges]
    weight = []
    for pairs, given in zip(index, weights, strict=True):
        values = (
            np.ones(len(pairs)) if given is None else numbers_of(given, f"weights of {name}", "numbers").reshape(-1)
        )
        if values.shape != pairs.shape[:1]:
            raise ValueError(f"{name} has {len(values)} weights for {len(pairs)} edges")
        weight.append(_weights(values, f"edge_weight of {name}"))
    counts = torch.tensor([0] + [len(pairs) for pairs in index])
    edge_index = torch.from_numpy(np.concatenate(index).T.copy())
    return edge_index, torch.cat(weight), counts.cumsum(0) if "edge_mapping" in content else None


def _pairs(given: Any, nodes: int, name: str) -> np.ndarray:
    """The edges of a step, [edges, 2]."""
    wanted = "pairs [source, target] of whole numbers"
    pairs = numbers_of(given, f"edges of {name}", wanted)
    pairs = pairs.reshape(0, 2) if pairs.shape == (0,) else pairs
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not (np.isfinite(pairs) & (pairs == np.round(pairs))).all():
        raise ValueError(f"edges of {name} must be {wanted}, got {list(pairs.shape)}")
    outside = pairs[(pairs < 0) | (pairs >= nodes)]
    if len(outside):
        raise ValueError(f"edges of {name} hold node {outside[0]:.0f}, but there are {nodes} nodes")
    return pairs.astype(np.int64)


def numbers_of(given: Any, what: str, wanted: str) -> np.ndarray:
    """Nested lists as an array of float64.

    Raises:
        ValueError: they are ragged, or hold something else than numbers: `what` must be `wanted`.
    """
    try:
        return np.array(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{what} must be {wanted}: {error}") from None
