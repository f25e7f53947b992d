from collections import Counter

import networkx as nx

from graphreel import data
from graphreel.data.graphs.alkanes import BOILING_POINTS, bonds


def test_bonds_of_branches():
    assert bonds("CC(C)C") == [(0, 1), (1, 2), (1, 3)]
    assert bonds("CC(C)(CC)C") == [(0, 1), (1, 2), (1, 3), (3, 4), (1, 5)]


def test_all_isomers_are_there_once():
    """As many as there are trees of at most four neighbours, no two of them alike."""
    for size, isomers in {4: 2, 5: 3, 6: 5, 7: 9, 8: 18}.items():
        trees = [nx.Graph(bonds(skeleton)) for skeleton in BOILING_POINTS if skeleton.count("C") == size]
        shapes = [t for t in nx.nonisomorphic_trees(size) if max(d for _, d in t.degree) <= 4]
        assert len(trees) == len(shapes) == isomers
        assert all(sum(nx.is_isomorphic(tree, shape) for tree in trees) == 1 for shape in shapes)


def test_straight_chains_boil_above_their_isomers():
    molecules = data.load("alkanes")
    label = {graph.name: int(graph.y) for graph in molecules}
    assert len(molecules) == 37 and Counter(label.values()) == {0: 20, 1: 17}
    assert all(label["C" * size] == 1 for size in range(4, 9)) and label["CC(C)(C)C"] == 0
    hexane = molecules[list(label).index("CCCCCC")]
    assert hexane.x.argmax(1).tolist() == [0, 1, 1, 1, 1, 0] and hexane.num_edges == 10
    assert [graph.num_nodes for graph in molecules] == [name.count("C") for name in label]
