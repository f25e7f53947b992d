"""`load`: one door to every data set, by name or by path."""

import importlib
import inspect
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from graphreel.core.near_names import did_you_mean

from .sequences.recognise import is_labelled, is_texts, names_of_arrays


@dataclass(frozen=True)
class DataSet:
    """What `load` and the commands know of a data set without importing it.

    Attributes:
        room: whose commands train on it: gnn, rnn or combined.
        kind: what its loader returns, by which settings choose their presets.
        loader: "module:function", the module below this package where it begins with a dot; called with the path, if it
            is read from one, and the options.
        training: options under which training loads it, where the loader's own defaults leave something out.
    """

    room: str
    kind: str
    loader: str
    training: dict[str, Any] = field(default_factory=dict)


# a data set is a loader and a line here, or in FORMATS where it is read from a path
NAMES: dict[str, DataSet] = {
    "six-node": DataSet("gnn", "small graph", ".graphs.six_node:load_six_node"),
    "karate": DataSet("gnn", "small graph", ".graphs.karate:load_karate"),
    "imports": DataSet("gnn", "directed graph", ".graphs.imports:load_imports"),
    "cora": DataSet("gnn", "graph", ".graphs.planetoid:load_cora"),
    "citeseer": DataSet("gnn", "graph", ".graphs.planetoid:load_citeseer"),
    "pubmed": DataSet("gnn", "graph", ".graphs.planetoid:load_pubmed"),
    "mutag": DataSet("gnn", "graphs", ".graphs.mutag:load_mutag"),
    "alkanes": DataSet("gnn", "graphs", ".graphs.alkanes:load_alkanes"),
    "random-graph": DataSet("gnn", "graph", ".graphs.random_graphs:load_random_graph", {"num_features": 8}),
    "palindrome": DataSet("rnn", "task", ".sequences.sequence_tasks:load_palindrome"),
    "baum-sweet": DataSet("rnn", "task", ".sequences.sequence_tasks:load_baum_sweet"),
    "random-combinations": DataSet("rnn", "task", ".sequences.sequence_tasks:load_random_combinations"),
    "book": DataSet("rnn", "text", ".sequences.books:load_embedded_book"),
    "digits": DataSet("combined", "digits", ".clips.digits:load_digits"),
    "jhmdb": DataSet("combined", "keypoints", ".clips.keypoints:load_jhmdb"),
}

_VIDEO_SUFFIXES = {".gif", ".avi", ".mp4", ".mkv", ".mov", ".webm", ".mpg", ".mpeg"}


def _is_planetoid_folder(path: Path) -> bool:
    return path.is_dir() and any(any(folder.glob("ind.*.graph")) for folder in (path, path / "raw"))


def _is_video_folder(path: Path) -> bool:
    def has_video(folder: Path) -> bool:
        return any(file.suffix.lower() in _VIDEO_SUFFIXES for file in folder.iterdir())

    places = (path, path / "train") if (path / "test").is_dir() else (path,)
    return any(entry.is_dir() and has_video(entry) for place in places if place.is_dir() for entry in place.iterdir())


def _is_keypoint_folder(path: Path) -> bool:
    def is_clip(file: Path) -> bool:
        return file.suffix.lower() in (".skeleton", ".json", ".csv") or any(file.glob("*_keypoints.json"))

    if not path.is_dir() or (path / "labels.csv").is_file():
        return path.is_dir()
    places = (path, path / "train") if (path / "test").is_dir() else (path,)
    folders = [folder for place in places if place.is_dir() for folder in place.iterdir() if folder.is_dir()]
    return any(is_clip(file) for folder in folders for file in folder.iterdir() if not file.name.startswith("."))


def graph_text_of(path: Path) -> Path | None:
    """A .txt that starts with the number of graphs, then `nodes label` of the first; or the only one of a folder."""
    if path.is_dir():
        found = [file for file in sorted(path.glob("*.txt"))[:20] if graph_text_of(file)]
        own = [file for file in found if file.stem.casefold() == path.resolve().name.casefold()]
        return own[0] if own else found[0] if len(found) == 1 else None
    if path.suffix.lower() != ".txt" or not path.is_file():
        return None
    with path.open("rb") as file:
        first, second = file.readline(64).split(), file.readline(64).split()
    fits = len(first) == 1 and len(second) == 2 and first[0].isdigit()
    return path if fits and all(word.lstrip(b"-").isdigit() for word in second) else None


def _holds_graph_text(path: Path) -> bool:
    return graph_text_of(path) is not None


def _has_nodes_beside(path: Path) -> bool:
    """edges.csv with nodes.csv, NAME_edges.csv with NAME_nodes.csv, or a folder with the first two."""
    edges = path / "edges.csv" if path.is_dir() else path
    if "edges" not in edges.name or edges.suffix.lower() not in (".csv", ".tsv", ".parquet") or not edges.is_file():
        return False
    return edges.with_name(edges.name.replace("edges", "nodes")).is_file()


def _is_node_link(path: Path) -> bool:
    """A .json as networkx writes it, which starts with what kind of graph it is."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    with path.open("rb") as file:
        start = file.read(4096)
    return b'"multigraph"' in start and b'"X"' not in start


def _is_list_of_torch(path: Path) -> bool:
    """A .pt whose pickle begins with a list or a tuple."""
    if path.suffix.lower() != ".pt":
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            content = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            with archive.open(content) as file:
                return file.read(3)[2:] in (b"]", b"(")
    except Exception:  # a damaged archive fails in many ways
        return False


def _is_array(path: Path) -> bool:
    """A .npz with an array of the series, as PEMS04 has it."""
    names = names_of_arrays(path) if path.suffix.lower() == ".npz" else set()
    return "data" in names and not names & {"keypoints", "labels", "y"}


def _ends_with(*suffixes: str) -> Callable[[Path], bool]:
    return lambda path: path.is_file() and path.suffix.lower() in suffixes


@dataclass(frozen=True)
class Format:
    """A kind of file or folder: what to call it, how to know it by its path, and what it holds."""

    description: str
    recognises: Callable[[Path], bool]
    data_set: DataSet


_BOOK = DataSet("rnn", "text", ".sequences.books:load_book")
_LABELLED = DataSet("rnn", "sequences", ".sequences.labelled_sequences:load_labelled")

# the first that recognises a path loads it, one of the asking room before others
FORMATS: list[Format] = [
    Format(
        "a folder of `graphreel data pack`",
        lambda path: (path / "graph.json").is_file() and (path / "start.npy").is_file(),
        DataSet("gnn", "packed graph", ".graphs.on_disk.disk_graph:open_graph"),
    ),
    Format(
        "a folder with Planetoid's raw files ind.NAME.*",
        _is_planetoid_folder,
        DataSet("gnn", "graph", ".graphs.planetoid:load_folder"),
    ),
    Format(
        "a folder of videos with one subfolder per class",
        _is_video_folder,
        DataSet("combined", "videos", ".clips.videos:load_videos"),
    ),
    Format(
        "a folder of OGB's .csv.gz with labels of graphs",
        lambda path: any((path / name).is_file() for name in ("graph-label.csv.gz", "raw/graph-label.csv.gz")),
        DataSet("gnn", "graphs", ".graphs.ogb_folder:load_ogb"),
    ),
    Format(
        "a folder of keypoint clips (COCO, OpenPose, MediaPipe, NTU, .csv) by class or with labels.csv",
        _is_keypoint_folder,
        DataSet("combined", "keypoints", ".clips.keypoint_folders:load_keypoint_folder"),
    ),
    Format(
        "a folder of OGB's .csv.gz",
        lambda path: any((path / name).is_file() for name in ("edge.csv.gz", "raw/edge.csv.gz")),
        DataSet("gnn", "graph", ".graphs.ogb_folder:load_ogb"),
    ),
    Format(
        "a folder with graphs.csv, nodes.csv and edges.csv",
        lambda path: all((path / f"{name}.csv").is_file() for name in ("graphs", "nodes", "edges")),
        DataSet("gnn", "graphs", ".graphs.graph_folder:load_graph_folder"),
    ),
    Format(
        "a folder of .graphml, .gml or .json graphs with one subfolder per class",
        lambda path: (
            any(any(path.glob(f"*/*{suffix}")) for suffix in (".graphml", ".gml"))
            or any(map(_is_node_link, islice(path.glob("*/*.json"), 1)))
        ),
        DataSet("gnn", "graphs", ".graphs.graph_folder:load_class_folders"),
    ),
    Format(
        "a table of edges with one of nodes beside it",
        _has_nodes_beside,
        DataSet("gnn", "graph", ".graphs.graph_tables:load_graph_tables"),
    ),
    Format(
        "a .graphml, .gml or node-link .json",
        lambda path: _ends_with(".graphml", ".gml")(path) or _is_node_link(path),
        DataSet("gnn", "graph", ".graphs.networkx_files:load_networkx"),
    ),
    Format("a .pt of a list of PyG's Data", _is_list_of_torch, DataSet("gnn", "graphs", ".graphs.pyg_file:load_pyg")),
    Format("a .pt of PyG's Data", _ends_with(".pt"), DataSet("gnn", "graph", ".graphs.pyg_file:load_pyg")),
    Format(
        "a folder of TUDataset's NAME_A.txt",
        lambda path: any(path.glob("*_A.txt")) or any(path.glob("raw/*_A.txt")),
        DataSet("gnn", "graphs", ".graphs.tu_folder:load_tu"),
    ),
    Format(
        "a .txt of graphs as MUTAG.txt", _holds_graph_text, DataSet("gnn", "graphs", ".graphs.mutag:load_graph_text")
    ),
    Format(
        "labelled sequences as .csv, .tsv, .jsonl or .npz, or a folder of texts for each class", is_labelled, _LABELLED
    ),
    Format("a .txt book", _ends_with(".txt"), _BOOK),
    Format(
        "a sensor .csv, .tsv, .parquet, .h5, .npy or .npz",
        lambda path: _ends_with(".csv", ".tsv", ".parquet", ".h5", ".hdf5", ".npy")(path) or _is_array(path),
        DataSet("combined", "series", ".series.sensors:load_series"),
    ),
    Format("a keypoint .npz", _ends_with(".npz"), DataSet("combined", "keypoints", ".clips.keypoints:load_keypoints")),
    Format("a PyG-Temporal .json", _ends_with(".json"), DataSet("combined", "series", ".series.sensors:load_series")),
    Format("a text, a .jsonl of texts or a folder of them", is_texts, _BOOK),
    Format(
        "a table, .jsonl or .npz whose columns are told",
        _ends_with(".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".npz"),
        _LABELLED,
    ),
]


def names() -> list[str]:
    """The names that `load` knows."""
    return list(NAMES)


def load(name_or_path: str | os.PathLike[str], *, room: str | None = None, **options: Any) -> Any:
    """Load a data set by its name or from a path.

    A name is looked up first (`load("cora")`, `load("palindrome", length=10)`), then a path (`load("clips.npz")`);
    write `./cora` for a folder that is called like a data set. Files of named data sets are searched in
    `$GRAPHREEL_DATA`, then in `~/.cache/graphreel`, then downloaded through PyG's dataset classes.

    Args:
        name_or_path: one of `names()`, or a file or folder in one of `FORMATS`.
        room: gnn, rnn or combined; a path that fits formats of several is read as this one's.
        options: passed on to the data set's own loader.

    Raises:
        ValueError: an unknown name or option, or a file that is in none of the formats.
        FileNotFoundError: there is no such path, or the data set's files are nowhere to be found.
    """
    target, arguments = locate(name_or_path, room)
    module, _, function = target.partition(":")
    loader = getattr(importlib.import_module(module, __package__), function)
    parameters = inspect.signature(loader).parameters.values()
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        known = [parameter.name for parameter in parameters][len(arguments) :]
        for option in options:
            if option not in known:
                takes = f"it takes {', '.join(known)}" if known else "it takes none"
                raise ValueError(f"{os.fspath(name_or_path)} has no option {option!r}: {takes}")
    try:
        return loader(*arguments, **options)
    except ValueError as error:
        said = " ".join(str(error).split())  # libraries' errors may be of several lines
        if not arguments or (arguments[0].name in said and said == str(error)):
            raise
        raise ValueError(said if arguments[0].name in said else f"{os.fspath(name_or_path)}: {said}") from error


def load_to_train(name_or_path: str | os.PathLike[str], **options: Any) -> Any:
    """`load`, with the options under which training reads the data set where none are given."""
    return load(name_or_path, **{**data_set(name_or_path).training, **options})


def locate(name_or_path: str | os.PathLike[str], room: str | None = None) -> tuple[str, list[Path]]:
    """Find what would load `name_or_path`, without importing or reading it: ("module:function", [path] or []).

    Raises:
        ValueError: an unknown name, or a file that is in none of the formats.
        FileNotFoundError: there is no such path.
    """
    found = data_set(name_or_path, room)
    return found.loader, [] if os.fspath(name_or_path) in NAMES else [Path(name_or_path).expanduser()]


def data_set(name_or_path: str | os.PathLike[str], room: str | None = None) -> DataSet:
    """What is known of a data set without importing or reading it, and that a room trains on it.

    Args:
        room: gnn, rnn or combined; a path that fits formats of several rooms is taken for this one's.

    Raises:
        ValueError: an unknown name, a file that is in none of the formats, or data of another room.
        FileNotFoundError: there is no such path.
    """
    text = os.fspath(name_or_path)
    fitting = [NAMES[text]] if text in NAMES else _formats_of(text)
    found = next((entry for entry in fitting if entry.room == room), fitting[0])
    if room not in (None, found.room):
        takes = [name for name, one in NAMES.items() if one.room == room]
        takes += [form.description for form in FORMATS if form.data_set.room == room]
        raise ValueError(
            f"{text} is data for `graphreel {found.room} train`, not for `graphreel {room}`, "
            f"which takes {', '.join(takes)}"
        )
    return found


def _formats_of(text: str) -> list[DataSet]:
    path = Path(text).expanduser()
    if path.exists():
        fitting = [form.data_set for form in FORMATS if form.recognises(path)]
        if fitting:
            return fitting
        raise ValueError(f"{text} is none of: {', '.join(form.description for form in FORMATS)}")
    if os.sep in text or path.suffix:
        near = did_you_mean(path.name, os.listdir(path.parent)) if path.parent.is_dir() else ""
        raise FileNotFoundError(f"there is no file or folder {text}{near}")
    expected = f"expected one of {', '.join(NAMES)}, or the path of a file or folder"
    raise ValueError(f"unknown data set {text!r}: {expected}{did_you_mean(text, NAMES)}")
