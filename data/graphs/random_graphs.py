"""Large random graphs with chosen degrees and communities, for benchmarks."""

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import index_to_mask

_CHUNK = 1 << 22


def load_random_graph(
    num_nodes: int = 10_000,
    num_edges: int = 100_000,
    degrees: str = "power-law",
    exponent: float = 2.5,
    num_classes: int = 4,
    homophily: float = 0.7,
    num_features: int = 0,
    seed: int = 0,
    generator: torch.Generator | None = None,
) -> Data:
    """A directed planted-partition graph with a chosen distribution of degrees (Karrer and Newman, 2011).

    Node i is in community i mod C, so that y needs no look-up. Each edge draws its target with probability proportional
    to that node's weight, and its source likewise, within the target's community with probability `homophily` and
    within a uniformly chosen other one else. Expected in- and out-degrees are therefore proportional to the weights:

        power-law: w_r ~ (r + 1)^(-1/(exponent - 1)), whose degrees have the density d^-exponent;
        poisson:   w_r = 1, whose degrees are Poisson distributed.

    Here r = i div C is a node's rank in its community. Loops and duplicate edges may occur, as in any multigraph. Edges
    are made in pieces, so that the peak is little above the 16 bytes an edge of the result: 10^8 edges fit into 3 GB.

    Args:
        num_nodes: nodes; communities differ by at most one.
        num_edges: directed edges.
        degrees: "power-law" or "poisson".
        exponent: of the power law, above 2 so that degrees have a mean.
        num_classes: communities C, at most num_nodes.
        homophily: the share of edges within a community; 1/C is none.
        num_features: columns of x, a node's community's random mean plus noise of unit variance; 0 leaves x out.
        seed: for a generator, where none is given.
        generator: source of all randomness.

    Returns:
        Data with edge_index [2, num_edges], y [num_nodes], num_nodes, a 10 / 10 / 80 % split, name, and x if asked for.

    Raises:
        ValueError: an argument outside its range.
    """
    if not 1 <= num_classes <= num_nodes:
        raise ValueError(f"num_classes is {num_classes}, expected 1 to num_nodes = {num_nodes}")
    if num_edges < 0 or num_features < 0:
        raise ValueError(f"num_edges is {num_edges} and num_features {num_features}, expected neither below 0")
    if not 0.0 <= homophily <= 1.0:
        raise ValueError(f"homophily is {homophily}, expected 0 to 1")
    if degrees not in ("power-law", "poisson"):
        raise ValueError(f"degrees is {degrees!r}, expected power-law or poisson")
    if degrees == "power-law" and exponent <= 2.0:
        raise ValueError(f"exponent is {exponent}, expected above 2")
    generator = generator or torch.Generator().manual_seed(seed)
    power = 0.0 if degrees == "poisson" else 1.0 / (exponent - 1.0)

    draw = _NodeDraw(num_nodes, num_classes, power, generator)
    edge_index = torch.empty(2, num_edges, dtype=torch.int64)
    for begin in range(0, num_edges, _CHUNK):
        piece = edge_index[:, begin : begin + _CHUNK]
        community = torch.randint(num_nodes, (piece.size(1),), generator=generator).remainder_(num_classes)
        piece[1] = draw(community)
        piece[0] = draw(_partners(community, num_classes, homophily, generator))

    y = torch.arange(num_nodes) % num_classes
    data = Data(edge_index=edge_index, y=y, num_nodes=num_nodes, name="random-graph")
    if num_features:
        means = torch.randn(num_classes, num_features, generator=generator)
        data.x = torch.randn(num_nodes, num_features, generator=generator)
        for label in range(num_classes):
            data.x[label::num_classes] += means[label]
    order, tenth = torch.randperm(num_nodes, generator=generator), max(num_nodes // 10, 1)
    for name, part in (("train", order[:tenth]), ("val", order[tenth : 2 * tenth]), ("test", order[2 * tenth :])):
        data[f"{name}_mask"] = index_to_mask(part, size=num_nodes)
    return data


def _partners(community: Tensor, num_classes: int, homophily: float, generator: torch.Generator) -> Tensor:
    """The same community with probability `homophily`, otherwise one of the others."""
    if num_classes == 1:
        return community
    leaves = torch.rand(community.numel(), generator=generator) >= homophily
    step = torch.randint(1, num_classes, (community.numel(),), generator=generator)
    return (community + step * leaves) % num_classes


class _NodeDraw:
    """Draws a node of each given community, with weights (rank + 1)^-p, by inverting the integral of the weights.

    Of R ranks, r = floor((((R + 1)^(1-p) - 1) u + 1)^(1/(1-p)) - 1) for u uniform in [0, 1).
    """

    def __init__(self, num_nodes: int, num_classes: int, power: float, generator: torch.Generator) -> None:
        self.num_classes, self.power, self.generator = num_classes, power, generator
        self.ranks = (num_nodes - 1 - torch.arange(num_classes)).div(num_classes, rounding_mode="floor") + 1
        self.spans = (self.ranks + 1.0).double().pow(1.0 - power) - 1.0

    def __call__(self, community: Tensor) -> Tensor:
        drawn = torch.rand(community.numel(), dtype=torch.float64, generator=self.generator)
        drawn.mul_(self.spans[community])
        if self.power:
            drawn.add_(1.0).pow_(1.0 / (1.0 - self.power)).sub_(1.0)
        rank = torch.minimum(drawn.long(), self.ranks[community] - 1)
        return rank.mul_(self.num_classes).add_(community)
