"""The citation graphs Cora, CiteSeer and PubMed, from Planetoid's raw files."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import Data
from torch_geometric.utils import index_to_mask

from ..data_dirs import cache_folder, fetch, find
from ..disk_cache import cached
from .graph_checks import check_graph
from .planetoid_files import PARTS, read_planetoid
from .sparse_features import to_sparse

_TITLES = {"cora": "Cora", "citeseer": "CiteSeer", "pubmed": "PubMed"}
_CLASS_NAMES = {
    "cora": [
        "Theory",
        "Reinforcement Learning",
        "Genetic Algorithms",
        "Neural Networks",
        "Probabilistic Methods",
        "Case Based",
        "Rule Learning",
    ],
    "citeseer": ["AI", "ML", "IR", "DB", "Agents", "HCI"],
    "pubmed": ["Diabetes Experimental", "Diabetes Type 1", "Diabetes Type 2"],
}


def load_cora(normalize_features: bool = True, sparse_features: bool = False) -> Data:
    """Cora: 2708 papers, 1433 words, 10556 directed citations, 7 classes. See `load_folder`."""
    return _load_named("cora", normalize_features, sparse_features)


def load_citeseer(normalize_features: bool = True, sparse_features: bool = False) -> Data:
    """CiteSeer: 3327 papers, 3703 words, 9104 directed citations, 6 classes. See `load_folder`."""
    return _load_named("citeseer", normalize_features, sparse_features)


def load_pubmed(normalize_features: bool = True, sparse_features: bool = False) -> Data:
    """PubMed: 19717 papers, 500 words, 88648 directed citations, 3 classes. See `load_folder`."""
    return _load_named("pubmed", normalize_features, sparse_features)


def load_folder(
    path: str | os.PathLike[str],
    normalize_features: bool = True,
    sparse_features: bool = False,
    name: str | None = None,
) -> Data:
    """Read Planetoid's raw files `ind.NAME.{x,tx,allx,y,ty,ally,graph,test.index}` (Yang et al., 2016).

    The result equals `torch_geometric.datasets.Planetoid` with the public split, in values and in order: loops
    removed, edges in both directions and sorted by target, 20 training nodes per class, 500 for validation, 1000 for
    testing, and a row of zeros for a test node without an entry (CiteSeer). The pickles are read by `read_pickle`,
    which calls nothing that they name, and the tensors are kept in the cache under a hash of the files.

    Args:
        path: the folder, or the one above `raw/`.
        normalize_features: divide each row of x by its sum (at least 1), as PyG's NormalizeFeatures and as the papers
            of GCN and GAT do. On by default; PyG's own class leaves the counts as they are.
        sparse_features: give x as torch.sparse_csr.
        name: the NAME in the file names, needed only where the folder holds several.

    Returns:
        Data with x [N, F], edge_index [2, E], y [N], the three masks [N], name, and class_names where they are known.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged or holds anything but arrays, or the parts do not fit one another.
    """
    folder = Path(path)
    if not any(folder.glob("ind.*.graph")) and (folder / "raw").is_dir():
        folder = folder / "raw"
    found = sorted(file.name[len("ind.") : -len(".graph")] for file in folder.glob("ind.*.graph"))
    if name is None:
        if len(found) != 1:
            raise ValueError(f"{path} holds {', '.join(found) or 'no ind.NAME.graph'}: expected one, or say name=")
        name = found[0]
    files = {part: folder / f"ind.{name}.{part}" for part in PARTS}
    for file in files.values():
        if not file.is_file():
            raise FileNotFoundError(f"{folder} lacks {file.name}, one of Planetoid's {len(PARTS)} raw files")
    digest = hashlib.sha256()
    for file in files.values():
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)}\n".encode() + content)
    stored = cached("planetoid", f"{name}-1-{digest.hexdigest()[:24]}", lambda: read_planetoid(files))
    return _as_graph(stored, name, normalize_features, sparse_features)


def _load_named(name: str, normalize_features: bool, sparse_features: bool) -> Data:
    title, file = _TITLES[name], f"ind.{name}.graph"
    folders = (f"{title}/raw", f"{name}/raw", f"Planetoid/{title}/raw", f"planetoid/{title}/raw", title, name)
    graph = find(*(f"{folder}/{file}" for folder in folders))
    if graph is None:
        fetch(
            lambda: _download(title),
            "github.com",
            f"{name} needs Planetoid's raw files ind.{name}.{{{','.join(PARTS)}}} in a folder {title}/raw",
            "imports, the citation graph that is built from installed packages",
        )
        graph = cache_folder() / title / "raw" / file
    return load_folder(graph.parent, normalize_features, sparse_features, name)


def _download(title: str) -> None:
    from torch_geometric.datasets import Planetoid

    class RawFiles(Planetoid):
        """Only the download: PyG's parsing and its cached result go through pickle."""

        has_process = False

        def load(self, path: str, data_cls: Any = None) -> None:
            return None

    cache_folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder()) as beside:
        RawFiles(beside, title)
        os.replace(Path(beside) / title, cache_folder() / title)


def _as_graph(stored: dict[str, Any], name: str, normalize_features: bool, sparse_features: bool) -> Data:
    values, num_nodes = stored["x_values"], stored["x_shape"][0]
    rows = torch.arange(num_nodes).repeat_interleave(stored["x_crow"].diff())
    if normalize_features:
        sums = torch.zeros(num_nodes).index_add_(0, rows, values)
        values = values / sums.clamp(min=1.0)[rows]
    x = torch.zeros(stored["x_shape"])
    x[rows, stored["x_col"]] = values
    data = Data(x=to_sparse(x) if sparse_features else x, edge_index=stored["edge_index"], y=stored["y"], name=name)
    for split in ("train", "val", "test"):
        data[f"{split}_mask"] = index_to_mask(stored[split], size=num_nodes)
    class_names = _CLASS_NAMES.get(name)
    if class_names and len(class_names) == int(data.y.max()) + 1:
        data.class_names = class_names
    return check_graph(data)
