"""Many small graphs with one class each, and their folds."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch_geometric.data import Data


class GraphDataset(Sequence[Data]):
    """A list of graphs to classify.

    Args:
        graphs: each with x [n, F], edge_index [2, e] and y [1].
        name: what the data set is called.
        class_names: one name per class.
        feature_names: one name per column of x.
        notes: what was found out about its files, in sentences.
    """

    def __init__(
        self,
        graphs: list[Data],
        name: str,
        class_names: list[str],
        feature_names: list[str] | None = None,
        notes: list[str] | None = None,
    ) -> None:
        self.graphs, self.name, self.class_names = graphs, name, class_names
        self.feature_names, self.notes = feature_names or [], notes or []

    def __len__(self) -> int:
        return len(self.graphs)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        """One graph for an integer; a list of graphs for a slice, a list, or a tensor of indices or a mask."""
        if isinstance(index, Tensor):
            index = (index.nonzero().flatten() if index.dtype == torch.bool else index).tolist()
        if isinstance(index, list):
            return [self.graphs[place] for place in index]
        return self.graphs[index]

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.class_names)

    @property
    def num_features(self) -> int:
        """The columns of x."""
        return self.graphs[0].num_node_features

    @property
    def y(self) -> Tensor:
        """The classes of all graphs [len]."""
        return torch.cat([graph.y for graph in self.graphs])

    def folds(self, num_folds: int = 10, seed: int = 0) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Stratified cross-validation: num_folds times (train, val, test), as sorted indices.

        The graphs of each class are shuffled and dealt out in turn, so that folds differ by at most one graph of a
        class. Fold k is tested, fold k + 1 validates, and the others train: every graph is tested once.

        Raises:
            ValueError: fewer than 3 folds, or more than graphs.
        """
        if not 3 <= num_folds <= len(self):
            raise ValueError(f"num_folds is {num_folds}, expected 3 to {len(self)}, the number of graphs")
        y, generator = self.y, torch.Generator().manual_seed(seed)
        dealt = torch.cat(
            [
                members[torch.randperm(members.numel(), generator=generator)]
                for members in ((y == label).nonzero().flatten() for label in range(self.num_classes))
            ]
        )
        fold = torch.empty(len(self), dtype=torch.int64)
        fold[dealt] = torch.arange(len(self)) % num_folds
        for k in range(num_folds):
            test, val = fold == k, fold == (k + 1) % num_folds
            yield (~(test | val)).nonzero().flatten(), val.nonzero().flatten(), test.nonzero().flatten()
