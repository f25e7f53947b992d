"""The one place where the application meets the `data` package."""

from typing import Any

from graphreel import data

# which room trains on what a loader returns, by the loader's module
_ROOMS = {
    "gnn": {"six_node", "karate", "imports", "planetoid", "mutag", "alkanes", "random_graphs"},
    "rnn": {"sequence_tasks", "books"},
    "combined": {"digits", "keypoints", "videos", "sensors"},
}
_WITH_FEATURES: dict[str, dict[str, Any]] = {"random_graphs": {"num_features": 8}}


def check_room(source: str, room: str) -> str:
    """See that a data set exists and belongs to a room, without importing torch; return the module that loads it.

    Raises:
        ValueError: it is unknown or of another room.
        FileNotFoundError: there is no such file.
    """
    module = kind_of(source)
    if module not in _ROOMS[room]:
        home = next(name for name, modules in _ROOMS.items() if module in modules)
        raise ValueError(f"{source} is data for `graphreel {home} train`, not for `graphreel {room}`")
    return module


def kind_of(source: str) -> str:
    """The module of `data` that loads a data set: digits, keypoints, sensors, ... Neither imports nor reads it."""
    target, _ = data.locate(source)
    return target.partition(":")[0].rpartition(".")[2]


def num_classes_of(source: Any) -> int:
    """Number of classes of a graph (the names given, else the largest label and one) or of a set of graphs."""
    if hasattr(source, "folds"):
        return source.num_classes
    names = source.get("class_names")
    return len(names) if names else int(source.y.max()) + 1


def load_graph(source: str) -> Any:
    """`load`, with the features that training reads where the loader itself would leave them out."""
    return load(source, **_WITH_FEATURES.get(kind_of(source), {}))


def load(source: str, **options: Any) -> Any:
    """`graphreel.data.load`."""
    return data.load(source, **options)
