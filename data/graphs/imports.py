"""A real citation graph that every installation already has: Python modules citing one another by import."""

import gc
import hashlib
import importlib.metadata
from pathlib import Path
from typing import Any

import torch
from sklearn.feature_extraction.text import CountVectorizer
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from ..disk_cache import cached
from .graph_checks import check_graph
from .import_graph import Library
from .module_source import split_words
from .sparse_features import to_sparse

SUBJECTS = [
    *(f"networkx.{part}" for part in ("algorithms", "generators")),
    *(f"scipy.{part}" for part in ("linalg", "optimize", "signal", "sparse", "special", "stats")),
    *(f"sklearn.{part}" for part in ("linear_model", "metrics", "utils")),
    *(f"torch_geometric.{part}" for part in ("datasets", "nn", "transforms")),
]
_DISTRIBUTIONS = {"sklearn": "scikit-learn", "torch_geometric": "torch-geometric"}
_VOCABULARY = 1000
_TRAIN_PER_CLASS = 20


def load_imports(
    seed: int = 0, normalize_features: bool = True, sparse_features: bool = False, undirected: bool = False
) -> Data:
    """The modules of networkx, scipy, scikit-learn and PyG under `SUBJECTS`, and who imports whom.

    Documents are modules (packages' `__init__` files are tables of contents: they are followed, but are no documents).
    An edge goes from the module that imports to the module that it means: relative imports and re-exports through
    packages are followed to the defining module. The class is the subpackage, such as scipy.sparse or
    networkx.algorithms. Features are counts of words in the first line of each docstring and in the names of functions
    and classes, the 1000 commonest words among those in at least 5 and at most 30 % of the modules. A module's words
    do not include those of its own path, and no word of a label or package is in the vocabulary. Source is read with
    `ast` and never imported; the result is cached under the packages' versions and file sizes. It differs a little
    between versions: about 1500 modules and 3700 citations, 70 % of them within a class; a logistic regression on the
    words alone gets 0.64 of the test right, a two-layer GCN on the undirected graph 0.78.

    The split is in the public style: 20 random modules per class to train, then a third of the rest but at most 500 for
    validation, then up to 1000 for testing.

    Args:
        seed: of the split.
        normalize_features: divide each row of x by its sum, as for Planetoid's graphs.
        sparse_features: give x as torch.sparse_csr.
        undirected: add every edge's reverse, as Planetoid's graphs have it.

    Returns:
        Data with x [N, F], edge_index [2, E], y [N], the three masks [N], node_names, class_names, words, name.
    """
    packages = sorted({subject.partition(".")[0] for subject in SUBJECTS})
    library = Library(packages)
    key = hashlib.sha256(str(SUBJECTS).encode())
    for part in ("imports", "import_graph", "module_source"):  # another way of reading is another result
        key.update(Path(__file__).with_name(f"{part}.py").read_bytes())
    for package in packages:
        if package in library:
            key.update(f"{package} {importlib.metadata.version(_DISTRIBUTIONS.get(package, package))}\n".encode())
    for name, path in library.paths.items():
        key.update(f"{name} {path.stat().st_size}\n".encode())
    stored = cached("imports", key.hexdigest()[:24], lambda: _build(library))

    x, edge_index = stored["counts"].float(), stored["edge_index"]
    if normalize_features:
        x = x / x.sum(1, keepdim=True).clamp(min=1.0)
    if undirected:
        edge_index = to_undirected(edge_index, num_nodes=x.size(0))
    data = Data(x=to_sparse(x) if sparse_features else x, edge_index=edge_index, y=stored["y"])
    data.train_mask, data.val_mask, data.test_mask = _split(stored["y"], seed)
    data.node_names, data.class_names, data.words = stored["node_names"], stored["class_names"], stored["words"]
    data.name = "imports"
    return check_graph(data)


def _build(library: Library) -> dict[str, Any]:
    def documents(subject: str) -> list[str]:
        return [name for name in library.paths if name.startswith(f"{subject}.") and not library.is_package(name)]

    subjects = [subject for subject in SUBJECTS if len(documents(subject)) >= 1.5 * _TRAIN_PER_CLASS]
    if len(subjects) < 2:
        raise ValueError(f"imports needs the source of two subpackages, but finds {subjects} of {', '.join(SUBJECTS)}")
    names = [name for subject in subjects for name in documents(subject)]
    place = {name: index for index, name in enumerate(names)}
    collecting = gc.isenabled()
    gc.disable()  # syntax trees are many objects without cycles: walking over them again and again is half the time
    try:
        cited = {name: library.cited_by(name) for name in names}
    finally:
        if collecting:
            gc.enable()
    edges = sorted((place[name], place[other]) for name in names for other in cited[name] if other in place)
    label_words = {word for subject in SUBJECTS for word in split_words(subject)} | {"scikit", "learn", "test", "tests"}
    label_words |= {word.removesuffix("s") for word in label_words} | {f"{word}s" for word in label_words}

    def words(name: str) -> list[str]:
        own = label_words | set(split_words(name))
        return [word for word in library.module(name).words if word not in own]

    vectorizer = CountVectorizer(analyzer=words, min_df=5, max_df=0.3, max_features=_VOCABULARY)
    counts = vectorizer.fit_transform(names).toarray()
    return {
        "counts": torch.from_numpy(counts).to(torch.int32),
        "edge_index": torch.tensor(edges, dtype=torch.int64).reshape(-1, 2).t().contiguous(),
        "y": torch.tensor([label for label, subject in enumerate(subjects) for _ in documents(subject)]),
        "node_names": names,
        "class_names": subjects,
        "words": vectorizer.get_feature_names_out().tolist(),
    }


def _split(y: torch.Tensor, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    order = torch.randperm(y.numel(), generator=torch.Generator().manual_seed(seed))
    masks = torch.zeros(3, y.numel(), dtype=torch.bool)
    for label in range(int(y.max()) + 1):
        masks[0, order[y[order] == label][:_TRAIN_PER_CLASS]] = True
    rest = order[~masks[0, order]]
    num_val = min(500, rest.numel() // 3)
    masks[1, rest[:num_val]] = True
    masks[2, rest[num_val : num_val + 1000]] = True
    return masks[0], masks[1], masks[2]
