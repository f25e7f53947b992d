"""The JSON files of PyTorch Geometric Temporal: series of nodes with a graph, or with one for every step."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .sensor_graphs import as_weights
from .sensor_values import SensorValues

_FORMS = (
    "expected FX, X, block or y [time x node] with edges or edge_mapping, an entry for every one of time_periods, or "
    "nodes and links"
)


def read_temporal_json(path: Path) -> SensorValues:
    """Read a series in any of the forms that PyTorch Geometric Temporal ships.

    - Static: `FX`, `X`, `block` or `y` [time x node (x channel)] and `edges` [[source, target], ...], with or without
      `weights` (chickenpox, pedal_me, windmill).
    - Changing: `y` and `edge_mapping` with `edge_index` and `edge_weight` for every step (England's covid cases).
    - An entry "0", "1", ... for each of `time_periods`, with `y` [node] and perhaps `X` [node x channel], beside
      `edges` for all steps (wikivital) or with `edges` in each entry (twitter_tennis).
    - `nodes`, each with `y` [time] (or `X` of `y`) and a name, and `links` of source, target and weight
      (montevideo_bus).

    Raises:
        ValueError: the file is in none of these forms, a node or step is out of range, or a weight is below 0.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path.name} is not readable as JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} holds no sensor series: {_FORMS}")
    if "links" in content and "nodes" in content:
        return _of_links(content, path.name)
    values, channels, steps = _values(content, path.name)
    nodes = values.shape[1]
    if "edge_mapping" in content:
        mapping = content["edge_mapping"]
        parts = [mapping.get(key) or {} for key in ("edge_index", "edge_weight")] if isinstance(mapping, dict) else []
        if not parts or not all(isinstance(part, dict) for part in parts):
            raise ValueError(
                f"edge_mapping of {path.name} must map each step to its edges, in edge_index and edge_weight"
            )
        absent = next((t for t in range(len(values)) if str(t) not in parts[0]), None)
        if absent is not None:
            raise ValueError(f"{path.name} has a gap in time: edge_mapping has no step '{absent}', y has {len(values)}")
        edges, weights = ([part.get(str(t)) for t in range(len(values))] for part in parts)
    elif "edges" in content:
        edges, weights = [content["edges"]], [content.get("weights")]
    elif steps and all("edges" in step for step in steps):
        edges, weights = ([step.get(key) for step in steps] for key in ("edges", "weights"))
    else:
        raise ValueError(f"{path.name} holds no sensor series: {_FORMS}")
    edge_index, edge_weight, counts = _edges(edges, weights, nodes, path.name)
    edge_ptr = None if len(edges) == 1 and "edges" in content else counts
    names = [str(number) for number in range(nodes)]
    given = content.get("node_ids")
    if isinstance(given, dict) and sorted(map(str, given.values())) == sorted(names):
        names = sorted(given, key=lambda name: int(given[name]))
    return SensorValues(values, names, True, None, channels, edges=(edge_index, edge_weight, edge_ptr))


def _values(content: dict[str, Any], name: str) -> tuple[np.ndarray, list[str], list[dict[str, Any]]]:
    """Values [time, nodes, channels], the channels' names, and the entries of the steps where there are such."""
    key = next((k for k in ("FX", "X", "block", "y") if k in content), None)
    if key is not None:
        values = numbers_of(content[key], f"{key} in {name}", "[time x node] numbers")
        if values.ndim not in (2, 3) or not values.size:
            raise ValueError(f"{key} in {name} must be [time x node], got {list(values.shape)}")
        values = values.reshape(*values.shape[:2], -1)
        return values, [key if c == 0 else f"{key}{c}" for c in range(values.shape[2])], []
    periods = content.get("time_periods")
    if not isinstance(periods, int) or isinstance(periods, bool) or periods < 1:
        raise ValueError(f"{name} holds no sensor series: {_FORMS}")
    absent = next((t for t in range(periods) if not isinstance(content.get(str(t)), dict)), None)
    if absent is not None:
        raise ValueError(f"{name} has a gap in time: there is no step '{absent}' of {periods}")
    steps = [content[str(t)] for t in range(periods)]
    values = numbers_of([step.get("y") for step in steps], f"y of the steps in {name}", "[node] numbers, as many each")
    if values.ndim != 2 or not values.size:
        raise ValueError(f"y of the steps in {name} must be [node] numbers, got {list(values.shape)}")
    values, channels = values[:, :, None], ["y"]
    if all("X" in step for step in steps):
        more = numbers_of([step["X"] for step in steps], f"X of the steps in {name}", "[node x channel] numbers")
        if more.ndim != 3 or more.shape[:2] != values.shape[:2]:
            raise ValueError(f"X of the steps in {name} must be [node x channel], got {list(more.shape[1:])}")
        values = np.concatenate([values, more], axis=2)
        channels += [f"X{c}" for c in range(more.shape[2])]
    return values, channels, steps


def _of_links(content: dict[str, Any], name: str) -> SensorValues:
    """Nodes that each bring their series, and links by their names, as networkx writes a graph."""
    nodes, links = content["nodes"], content["links"]
    if not isinstance(nodes, list) or not nodes or not all(isinstance(node, dict) for node in nodes):
        raise ValueError(f"nodes of {name} must be a list of entries, each with y [time]")
    key = next((k for k in ("id", "name", "bus_stop") if k in nodes[0]), None)
    key = key or next((k for k, value in nodes[0].items() if isinstance(value, (str, int))), None)
    names = [str(node.get(key)) for node in nodes]
    inner = [node.get("X") if isinstance(node.get("X"), dict) else {} for node in nodes]
    channels = ["y", *(channel for channel in inner[0] if channel != "y")]
    series = [[part.get("y", part_of.get("y")) for part, part_of in zip(nodes, inner, strict=True)]]
    series += [[part.get(channel) for part in inner] for channel in channels[1:]]
    values = numbers_of(series, f"y of the nodes in {name}", "[time] numbers, as many each")
    if values.ndim != 3 or not values.size:
        raise ValueError(f"y of the nodes in {name} must be [time] numbers, got {list(values.shape[2:])}")
    place = {node: number for number, node in enumerate(names)}
    try:
        pairs = [[place[str(link["source"])], place[str(link["target"])]] for link in links]
        weights = [link["weight"] for link in links] if any("weight" in link for link in links) else None
    except (KeyError, TypeError) as error:
        raise ValueError(f"links of {name} must have a source and a target among the nodes: {error}") from None
    edge_index, edge_weight, _ = _edges([pairs], [weights], len(names), name)
    return SensorValues(
        values.transpose(2, 1, 0).copy(), names, True, None, channels, [], (edge_index, edge_weight, None)
    )


def _edges(edges: list[Any], weights: list[Any], nodes: int, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Edges [2, edges] and weights [edges] of all steps, and where those of each step begin [steps + 1]."""
    index = [_pairs(pairs, nodes, name) for pairs in edges]
    weight = []
    for pairs, given in zip(index, weights, strict=True):
        values = np.ones(len(pairs))
        if given is not None:
            values = numbers_of(given, f"weights of {name}", "numbers").reshape(-1)
        if values.shape != pairs.shape[:1]:
            raise ValueError(f"{name} has {len(values)} weights for {len(pairs)} edges")
        weight.append(as_weights(values, f"edge_weight of {name}"))
    counts = torch.tensor([0] + [len(pairs) for pairs in index]).cumsum(0)
    return torch.from_numpy(np.concatenate(index).T.copy()), torch.cat(weight), counts


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
