"""The alkanes of four to eight carbons: small molecules, embedded, and whether they boil above their isomers."""

from statistics import median

import torch
from torch_geometric.data import Data

from .graph_dataset import GraphDataset

# skeleton in SMILES -> boiling point in degrees Celsius at one atmosphere; those of the octanes are within 0.3 of the
# data set "18 octane isomers" of Milano Chemometrics (moleculardescriptors.eu)
BOILING_POINTS: dict[str, float] = {
    "CCCC": -0.5, "CC(C)C": -11.7,
    "CCCCC": 36.1, "CC(C)CC": 27.8, "CC(C)(C)C": 9.5,
    "CCCCCC": 68.7, "CC(C)CCC": 60.3, "CCC(C)CC": 63.3, "CC(C)(C)CC": 49.7, "CC(C)C(C)C": 58.0,
    "CCCCCCC": 98.4, "CC(C)CCCC": 90.0, "CCC(C)CCC": 91.9, "CCC(CC)CC": 93.5, "CC(C)(C)CCC": 79.2,
    "CC(C)C(C)CC": 89.8, "CC(C)CC(C)C": 80.5, "CCC(C)(C)CC": 86.1, "CC(C)(C)C(C)C": 80.9,
    "CCCCCCCC": 125.7, "CC(C)CCCCC": 117.6, "CCC(C)CCCC": 118.9, "CCCC(C)CCC": 117.7, "CCC(CC)CCC": 118.5,
    "CC(C)(C)CCCC": 106.8, "CC(C)C(C)CCC": 115.6, "CC(C)CC(C)CC": 109.4, "CC(C)CCC(C)C": 109.1,
    "CCC(C)(C)CCC": 112.0, "CCC(C)C(C)CC": 117.7, "CC(C)C(CC)CC": 115.7, "CCC(C)(CC)CC": 118.3,
    "CC(C)(C)C(C)CC": 109.8, "CC(C)(C)CC(C)C": 99.2, "CC(C)C(C)(C)CC": 114.8, "CC(C)C(C)C(C)C": 113.5,
    "CC(C)(C)C(C)(C)C": 106.5,
}  # fmt: skip


def load_alkanes() -> GraphDataset:
    """37 alkanes as graphs of carbons; the class tells whether one boils above the median of its isomers.

    Isomers are made of the same atoms, so that nothing but the structure tells: the more branched, the lower a molecule
    boils (H. Wiener, "Structural determination of paraffin boiling points", 1947). x is the number of carbons that a
    carbon is bound to, one-hot over 1 to 4 (CH3, CH2, CH, C); hydrogens are left out.
    """
    sizes = {skeleton: skeleton.count("C") for skeleton in BOILING_POINTS}
    middle = {
        size: median(point for skeleton, point in BOILING_POINTS.items() if sizes[skeleton] == size)
        for size in set(sizes.values())
    }
    graphs = [_graph(skeleton, int(point > middle[sizes[skeleton]])) for skeleton, point in BOILING_POINTS.items()]
    return GraphDataset(graphs, "alkanes", ["boils lower", "boils higher"], ["CH3", "CH2", "CH", "C"])


def bonds(skeleton: str) -> list[tuple[int, int]]:
    """The bonds of a SMILES of carbons and branches: "CC(C)C" has (0, 1), (1, 2), (1, 3)."""
    found: list[tuple[int, int]] = []
    branches: list[int] = []
    last, count = -1, 0
    for sign in skeleton:
        if sign == "(":
            branches.append(last)
        elif sign == ")":
            last = branches.pop()
        else:
            if last >= 0:
                found.append((last, count))
            last, count = count, count + 1
    return found


def _graph(skeleton: str, label: int) -> Data:
    pairs = bonds(skeleton)
    both = sorted(pairs + [(b, a) for a, b in pairs])
    edge_index = torch.tensor(both).t().contiguous()
    neighbours = torch.bincount(edge_index[1], minlength=skeleton.count("C"))
    x = torch.nn.functional.one_hot(neighbours - 1, 4).float()
    return Data(x=x, edge_index=edge_index, y=torch.tensor([label]), name=skeleton)
