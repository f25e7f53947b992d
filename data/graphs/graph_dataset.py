"""Many small graphs with one class each, and their folds."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch_geometric.data import Data


class GraphDataset(Sequence[Data]):
    """A list of graphs to classify, or of which a number is to be foretold.

    Args:
        graphs: each with x [n, F], edge_index [2, e] and y [1], and perhaps edge_attr [e, D], target [1] and name.
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
        """The classes of all graphs [len], -1 for none."""
        return torch.cat([graph.y for graph in self.graphs])

    @property
    def target(self) -> Tensor:
        """The numbers that are to be foretold of all graphs [len], NaN for none; of classes, their numbers."""
        return torch.cat([graph.get("target", graph.y) for graph in self.graphs]).double()

    @property
    def groups(self) -> Tensor:
        """What a split keeps even [len]: the classes, or that a graph has a number; -1 for those without either."""
        return self.y if self.class_names else self.target.isfinite().long() - 1

    def folds(self, num_folds: int = 10, seed: int = 0) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Stratified cross-validation: num_folds times (train, val, test), as sorted indices.

        The graphs of each class are shuffled and dealt out in turn, so that folds differ by at most one graph of a
        class. Fold k is tested, fold k + 1 validates, and the others train: every graph is tested once.

        Raises:
            ValueError: fewer than 3 folds, or more than graphs.
        """
        if not 3 <= num_folds <= len(self):
            raise ValueError(f"num_folds is {num_folds}, expected 3 to {len(self)}, the number of graphs")
        fold = deal_out(self.groups, num_folds, seed)
        for k in range(num_folds):
            test, val = fold == k, fold == (k + 1) % num_folds
            train = (fold >= 0) & ~test & ~val
            yield train.nonzero().flatten(), val.nonzero().flatten(), test.nonzero().flatten()


def deal_out(groups: Tensor, num_folds: int, seed: int = 0) -> Tensor:
    """The fold of each [n]: the members of each group are shuffled and dealt out in turn; -1 for those of group -1."""
    generator = torch.Generator().manual_seed(seed)
    members = [(groups == group).nonzero().flatten() for group in range(int(groups.max()) + 1)]
    dealt = torch.cat([one[torch.randperm(one.numel(), generator=generator)] for one in members])
    fold = torch.full_like(groups, -1)
    fold[dealt] = torch.arange(dealt.numel()) % num_folds
    return fold
