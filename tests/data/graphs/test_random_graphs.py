"""The generator of large graphs: degrees, communities, and the pieces in which it works."""

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphreel import data
from graphreel.data.graphs import random_graphs
from graphreel.data.graphs.graph_checks import check_graph


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 50), st.integers(0, 200), st.integers(1, 50), st.sampled_from(["power-law", "poisson"]))
def test_any_size_gives_a_valid_graph(nodes, edges, classes, degrees):
    classes = min(nodes, classes)
    options = {"num_nodes": nodes, "num_edges": edges, "num_classes": classes, "degrees": degrees, "num_features": 3}
    graph = check_graph(data.load("random-graph", **options))
    assert graph.num_edges == edges and graph.num_nodes == nodes and graph.x.shape == (nodes, 3)
    assert graph.y.bincount().tolist() == [(nodes - label + classes - 1) // classes for label in range(classes)]
    assert (graph.train_mask.int() + graph.val_mask.int() + graph.test_mask.int() == 1).all()


@pytest.mark.parametrize("homophily", [0.0, 0.25, 0.7, 1.0])
def test_communities(homophily):
    graph = data.load("random-graph", num_nodes=1000, num_edges=40_000, homophily=homophily, seed=2)
    within = (graph.y[graph.edge_index[0]] == graph.y[graph.edge_index[1]]).double().mean().item()
    assert within == pytest.approx(homophily, abs=4 * (homophily * (1 - homophily) / 40_000) ** 0.5)
    pairs = torch.bincount(graph.y[graph.edge_index[0]] * 4 + graph.y[graph.edge_index[1]], minlength=16).view(4, 4)
    others = pairs[~torch.eye(4, dtype=torch.bool)].numpy()
    if homophily < 1:
        assert scipy.stats.chisquare(others).pvalue > 0.001


@pytest.mark.parametrize("end", [0, 1])
def test_poisson_degrees(end):
    graph = data.load("random-graph", num_nodes=20_000, num_edges=80_000, degrees="poisson", seed=1)
    degree = graph.edge_index[end].bincount(minlength=20_000)
    observed = degree.clamp(max=10).bincount(minlength=11).numpy()
    expected = scipy.stats.poisson.pmf(np.arange(10), 4.0)
    expected = 20_000 * np.append(expected, 1 - expected.sum())
    assert scipy.stats.chisquare(observed, expected).pvalue > 0.001


@pytest.mark.parametrize("exponent", [2.2, 2.5, 3.0])
def test_power_law_degrees(exponent):
    graph = data.load("random-graph", num_nodes=100_000, num_edges=1_000_000, exponent=exponent, seed=1)
    for end in (0, 1):
        degree = graph.edge_index[end].bincount(minlength=100_000).double()
        tail = degree[degree >= 30]
        slope = 1 + tail.numel() / (tail / 29.5).log().sum().item()  # Clauset et al. 2009, equation 3.7
        assert slope == pytest.approx(exponent, abs=0.12)


def test_the_generator_decides_and_pieces_join(monkeypatch):
    def edges(**options):
        return data.load("random-graph", num_nodes=100, num_edges=1000, **options).edge_index

    assert torch.equal(edges(seed=3), edges(generator=torch.Generator().manual_seed(3)))
    assert not torch.equal(edges(seed=3), edges(seed=4))
    monkeypatch.setattr(random_graphs, "_CHUNK", 128)
    pieces = edges(seed=3)
    assert pieces.shape == (2, 1000) and len(set(map(tuple, pieces.t()[:128].tolist()))) > 64
    assert not torch.equal(pieces[:, :128], pieces[:, 128:256])


def test_features_tell_the_community_a_little():
    graph = data.load("random-graph", num_nodes=2000, num_edges=10, num_features=8)
    means = torch.stack([graph.x[graph.y == label].mean(0) for label in range(4)])
    assert (graph.x - means[graph.y]).std().item() == pytest.approx(1, abs=0.05)
    nearest = torch.cdist(graph.x, means).argmin(1)
    assert 0.4 < (nearest == graph.y).double().mean().item() < 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"num_nodes": 3, "num_classes": 4}, "num_classes is 4, expected 1 to num_nodes = 3"),
        ({"num_edges": -1}, "num_edges is -1 and num_features 0, expected neither below 0"),
        ({"homophily": 1.5}, "homophily is 1.5, expected 0 to 1"),
        ({"degrees": "normal"}, "degrees is 'normal', expected power-law or poisson"),
        ({"exponent": 2}, "exponent is 2, expected above 2"),
    ],
)
def test_bad_arguments(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        data.load("random-graph", **options)
