"""What would be read of a data set, in a few lines, before anything trains on it."""

import os
from typing import Any

from .registry import data_set, load_to_train


def describe_data(name_or_path: str | os.PathLike[str], **options: Any) -> list[str]:
    """Lines on what `load` makes of a data set: its kind, sizes, parts, gaps, edges or classes, and its notes.

    Raises:
        ValueError, FileNotFoundError: as `load`.
    """
    found = data_set(name_or_path)
    source = load_to_train(name_or_path, **options)
    lines = [f"{found.kind}, for `graphreel {found.room} train`", *_sizes(source)]
    return lines + list(getattr(source, "notes", None) or getattr(getattr(source, "series", None), "notes", []))


def _sizes(source: Any) -> list[str]:
    if hasattr(source, "series"):
        return _series(source)
    if hasattr(source, "folds") and hasattr(source, "graphs"):
        nodes = [int(graph.num_nodes) for graph in source]
        edges = [graph.num_edges for graph in source]
        return [
            f"{len(source)} graphs of {min(nodes)} to {max(nodes)} nodes and {min(edges)} to {max(edges)} edges, "
            f"{source.num_features} features",
            _labels(source.class_names, source.y, source.target),
        ]
    if hasattr(source, "edge_index"):
        parts = ", ".join(f"{int(source[f'{part}_mask'].sum())} {part}" for part in ("train", "val", "test")
                          if source.get(f"{part}_mask") is not None)  # fmt: skip
        return [
            f"{source.num_nodes} nodes, {source.num_edges} edges, {source.num_node_features} features",
            _labels(source.get("class_names"), source.get("y"), source.get("target")),
            f"parts: {parts or 'none'}",
        ]
    if hasattr(source, "reader"):
        lengths = sorted(len(item) for item in source.items)
        read = source.reader.read
        width = (
            f"{source.reader.width} values a step"
            if read == "numbers"
            else f"{len(source.reader.vocabulary)} different"
        )
        return [
            f"{len(source)} sequences of {read}, {width}, {lengths[0]} to {lengths[-1]} steps "
            f"(median {lengths[len(lengths) // 2]})",
            _classes(source.classes, source.y.bincount().tolist()),
            "parts: " + ", ".join(f"{len(places)} {part}" for part, places in source.parts.items()),
        ]
    if hasattr(source, "text"):
        parts = f"{len(source.train):,} train, {len(source.validation):,} validation, {len(source.held_out):,} held out"
        return [f"{len(source.text):,} characters, {len(source.vocabulary)} symbols", f"parts: {parts}"]
    if hasattr(source, "majority"):
        counts = [sum(int(clip.y) == label for clip in source.train) for label in range(source.num_classes)]
        parts = f"{len(source.train)} train, {len(source.validation)} validation, {len(source.test)} test"
        return [
            f"clips of {source.num_features} features a node",
            _classes(source.classes, counts) + " (training part)",
            f"parts: {parts}",
        ]
    return [f"a {type(source).__name__}"]


def _series(splits: Any) -> list[str]:
    series = splits.series
    steps, nodes = series.observed.shape
    missing = 1 - float(series.observed.double().mean())
    span = f", {_time(series.times[0])} to {_time(series.times[-1])}" if series.times is not None else ""
    changing = ", of all steps" if series.changing else ""
    parts = f"{len(splits.train)} train, {len(splits.validation)} validation, {len(splits.test)} test windows"
    shown = ", ".join(series.nodes[:5]) + (", ..." if nodes > 5 else "")
    return [
        f"{steps} steps{span}",
        f"{nodes} sensors: {shown}; channels: {', '.join(series.channels)}",
        f"{missing:.1%} missing; {series.edge_index.size(1)} edges{changing} ({series.edge_source})",
        f"parts: {parts}",
    ]


def _time(time: Any) -> str:
    return str(time).removesuffix(".000000000").removesuffix("T00:00:00").replace("T", " ")


def _labels(names: list[str] | None, y: Any, target: Any) -> str:
    """The classes of nodes or graphs, or the numbers that are to be foretold."""
    if y is not None and (y >= 0).any():
        counts = y[y >= 0].bincount().tolist()
        return _classes(names or [str(label) for label in range(len(counts))], counts)
    if target is None or not target.isfinite().any():
        return "no labels"
    known = target[target.isfinite()]
    return f"numbers from {known.min():g} to {known.max():g}, for --task regression"


def _classes(names: list[str], counts: list[int]) -> str:
    told = [f"{name} {count}" for name, count in zip(names, counts, strict=False)]
    return f"{len(names)} classes: " + ", ".join(told[:20]) + (", ..." if len(told) > 20 else "")
