"""Networks for sets of graphs, averaged, and blended with what a forest and a linear model make of counts alone."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch_geometric.nn import global_add_pool

from graphreel.data.graphs.complete_graph import degree_counts
from graphreel.data.graphs.neighbourhoods import NEIGHBOURHOODS, neighbourhood_counts

TREES = 200
_STEPS = 10  # the shares of a blend are multiples of a tenth


def counts_of(x: Tensor, edge_index: Tensor, batch: Tensor, graphs: int) -> Tensor:
    """What is counted of each graph: the sums of x and how many nodes have which degree, then its neighbourhoods."""
    plain = [global_add_pool(x, batch, graphs), degree_counts(edge_index, batch, graphs)]
    return torch.cat([*plain, neighbourhood_counts(x, edge_index, batch, graphs)], dim=1)


class Counting:
    """What needs no training by gradients: a forest and a linear model on labels and degrees, a forest on all counts.

    Args:
        counts: [graphs, columns], from `counts_of`.
        labels: [graphs] classes, or numbers where `classes` is 0.
        classes: how many there are.
    """

    def __init__(self, counts: Tensor, labels: Tensor, classes: int, trees: int = TREES) -> None:
        self.classes, self.plain = classes, counts.size(1) - NEIGHBOURHOODS
        self.names = ("random_forest", "logistic_regression" if classes else "ridge_regression", "neighbourhood_forest")
        forest: Any = RandomForestClassifier if classes else RandomForestRegressor
        linear: Any = LogisticRegression(max_iter=1000) if classes else Ridge(alpha=1.0)
        self.models = [
            forest(trees, random_state=0),
            make_pipeline(StandardScaler(), linear),
            forest(trees, random_state=0),
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a regression that has not converged is as good as it is
            for model, columns in zip(self.models, self._columns(counts), strict=True):
                model.fit(columns, labels.numpy())

    def __call__(self, counts: Tensor) -> list[Tensor]:
        """Of each model the probabilities [graphs, classes], or the numbers [graphs, 1]."""
        answers = []
        for model, columns in zip(self.models, self._columns(counts), strict=True):
            if self.classes:
                shares = torch.zeros(len(counts), self.classes)
                shares[:, torch.from_numpy(model.classes_)] = torch.from_numpy(model.predict_proba(columns)).float()
                answers.append(shares)
            else:
                answers.append(torch.from_numpy(model.predict(columns)).float()[:, None])
        return answers

    def _columns(self, counts: Tensor) -> list[Any]:
        plain = counts[:, : self.plain].numpy()
        return [plain, plain, counts.numpy()]


class GraphEnsemble(nn.Module):
    r"""The mean answer of networks, blended: :math:`p = s_0 \bar p_{net} + \sum_k s_k p_k` over :class:`Counting`.

    Args:
        networks: that were trained on different parts of the same graphs.
        counts: of all graphs of the set [graphs, columns], from which the forest is grown again where weights were
            loaded: no code is read from a checkpoint.
        labels: [graphs].
        classes: how many there are; 0 for a regression, whose numbers are averaged instead of probabilities.
        width: columns of x that are counted.

    Attributes:
        shares: [4], which sum to 1.
        trained_on: [graphs], those that the forest and the linear model learn from.
        scaling: mean and scale of the numbers of a regression, whose answers are numbers less the mean over the scale.
    """

    networks: Any
    shares: Tensor
    trained_on: Tensor
    scaling: Tensor

    def __init__(self, networks: Sequence[nn.Module], counts: Tensor, labels: Tensor, classes: int, width: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.counts, self.labels, self.classes, self.width = counts, labels, classes, width
        self.register_buffer("shares", torch.tensor([1.0, 0.0, 0.0, 0.0]))
        self.register_buffer("trained_on", torch.zeros(len(labels), dtype=torch.bool))
        self.register_buffer("scaling", torch.tensor([0.0, 1.0], dtype=torch.float64))
        self._counting: Counting | None = None

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None, **edges: Tensor) -> Tensor:
        """Logarithms of probabilities [graphs, classes], or numbers [graphs, 1]."""
        batch = x.new_zeros(len(x), dtype=torch.int64) if batch is None else batch
        own = self.of_networks(self.networks, x, edge_index, batch, **edges)
        if float(self.shares[0]) < 1:
            answers = self.counting()(counts_of(x[:, : self.width], edge_index, batch, len(own)).cpu())
            together = torch.stack([own, *(answer.to(own.device) for answer in answers)])
            own = torch.einsum("k,kgc->gc", self.shares, together)
        return own.clamp(min=1e-9).log() if self.classes else own

    def hidden(self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None, **edges: Tensor) -> Tensor:
        """What goes into the last layers of all networks, side by side."""
        return torch.cat([network.hidden(x, edge_index, batch=batch, **edges) for network in self.networks], dim=1)

    def of_networks(self, networks: Any, x: Tensor, edge_index: Tensor, batch: Tensor, **edges: Tensor) -> Tensor:
        """The mean answer of some networks: probabilities, or numbers."""
        answers = [network(x, edge_index, batch=batch, **edges) for network in networks]
        return torch.stack([answer.softmax(-1) if self.classes else answer for answer in answers]).mean(0)

    def learn_counts(self, trained_on: Tensor, counting: Counting) -> None:
        """Take the forest and the linear model that were trained on these graphs (in ascending order)."""
        self.trained_on[trained_on], self._counting = True, counting

    def counting(self) -> Counting:
        """The forest and the linear model of the graphs trained on, which are trained again after a loading."""
        if self._counting is None:
            known = self.trained_on.cpu()
            labels = self.labels[known]
            if not self.classes:
                labels = ((labels - self.scaling[0].cpu()) / self.scaling[1].cpu()).float()
            self._counting = Counting(self.counts[known], labels, self.classes)
        return self._counting

    def blend(self, answers: Sequence[Tensor], labels: Tensor) -> Tensor:
        """Choose the shares of least loss on held-out answers of networks and of what counts; how these blend.

        The loss is the cross entropy, or the mean squared error.
        """
        best, together = None, torch.stack(list(answers))
        for shares in _simplex(len(answers)):
            mixed = torch.einsum("k,kgc->gc", torch.tensor(shares, device=labels.device), together)
            mixed = mixed.clamp(min=1e-6).log() if self.classes else mixed
            loss = float(F.nll_loss(mixed, labels) if self.classes else F.mse_loss(mixed[:, 0], labels))
            if best is None or loss < best[0] - 1e-6:
                best = loss, shares, mixed
        assert best is not None
        self.shares.copy_(torch.tensor(best[1]))
        return best[2]


def _simplex(parts: int, left: int = _STEPS) -> Iterator[list[float]]:
    """All shares of that many parts, in tenths, those first that give most to the first."""
    if parts == 1:
        yield [left / _STEPS]
        return
    for first in range(left, -1, -1):
        for rest in _simplex(parts - 1, left - first):
            yield [first / _STEPS, *rest]
