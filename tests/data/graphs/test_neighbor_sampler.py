"""Neighbour sampling: exact with full fan-outs, uniform and without replacement with small ones."""

import copy
import pickle
from itertools import combinations

import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data, HeteroData
from torch_geometric.loader import LinkLoader, NodeLoader
from torch_geometric.nn import GCNConv, SAGEConv
from torch_geometric.sampler import NodeSamplerInput

from graphreel import data as rooms
from graphreel.data.graphs.neighbor_loader import neighbor_loader, with_gcn_weights
from graphreel.data.graphs.neighbor_sampler import NeighborSampler
from graphreel.data.graphs.sparse_features import select_rows, to_sparse


def graph(seed: int = 0, nodes: int = 60, edges: int = 300) -> Data:
    """Directed, with loops, duplicate edges, and isolated nodes at the end."""
    g = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(nodes - 3, (2, edges), generator=g)
    edge_index = torch.cat([edge_index, edge_index[:, :5], torch.tensor([[1], [1]])], 1)
    x = torch.randn(nodes, 6, generator=g, dtype=torch.float64)
    y = torch.arange(nodes)
    return Data(x=x, edge_index=edge_index, y=y, edge_attr=torch.arange(edge_index.size(1)), name="toy")


def sample(data, fanout, seeds, seed=0):
    sampler = NeighborSampler(data, fanout, torch.Generator().manual_seed(seed))
    return sampler.sample_from_nodes(NodeSamplerInput(None, torch.tensor(seeds)))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10**6),
    st.lists(st.sampled_from([-1, 1, 2, 3, 7]), min_size=1, max_size=3),
    st.lists(st.integers(0, 59), min_size=1, max_size=8),
)
def test_a_sample_is_a_part_of_the_graph(seed, fanout, seeds):
    data = graph(seed % 7)
    out = sample(data, fanout, seeds, seed)
    source, target = data.edge_index
    assert out.node[: len(seeds)].tolist() == seeds
    later = out.node[len(seeds) :].tolist()
    assert len(set(later)) == len(later) and not set(later) & set(seeds)
    assert torch.equal(out.node[out.row], source[out.edge]) and torch.equal(out.node[out.col], target[out.edge])
    assert sum(out.num_sampled_nodes) == out.node.numel() and sum(out.num_sampled_edges) == out.edge.numel()
    drawn = list(zip(out.col.tolist(), out.edge.tolist(), strict=True))
    assert len(set(drawn)) == len(drawn)  # no edge twice into one row
    start, begin = 0, 0
    degree = target.bincount(minlength=60)
    for k, nodes, edges in zip(fanout, out.num_sampled_nodes, out.num_sampled_edges, strict=False):
        hop = out.node[start : start + nodes]
        taken = (out.col[begin : begin + edges] - start).bincount(minlength=nodes)
        assert torch.equal(taken, degree[hop] if k == -1 else degree[hop].clamp(max=k))
        start, begin = start + nodes, begin + edges


def test_full_fanout_gives_the_full_graphs_output():
    data, seeds = graph(), [3, 59, 17, 3, 1]
    torch.manual_seed(0)
    layers = [SAGEConv(6, 5).double(), SAGEConv(5, 4).double()]

    def run(x, edge_index):
        return layers[1](layers[0](x, edge_index).relu(), edge_index)

    out = sample(data, [-1, -1], seeds)
    ours = run(data.x[out.node], torch.stack([out.row, out.col]))[: len(seeds)]
    torch.testing.assert_close(ours, run(data.x, data.edge_index)[seeds], rtol=0, atol=1e-12)


def test_full_fanout_is_exact_for_gcn_with_the_graphs_own_degrees():
    data = graph()
    torch.manual_seed(0)
    layers = [GCNConv(6, 5).double(), GCNConv(5, 4).double()]
    whole = layers[1](layers[0](data.x, data.edge_index).relu(), data.edge_index)
    for layer in layers:
        layer.normalize = False
    weighted = with_gcn_weights(data)
    weighted.edge_weight = weighted.edge_weight.double()
    for batch in neighbor_loader(weighted, [-1, -1], batch_size=7):
        hidden = layers[0](batch.x, batch.edge_index, batch.edge_weight).relu()
        part = layers[1](hidden, batch.edge_index, batch.edge_weight)[: batch.batch_size]
        torch.testing.assert_close(part, whole[batch.n_id[: batch.batch_size]], rtol=0, atol=1e-6)
    assert "edge_weight" not in data


@pytest.mark.parametrize(("degree", "k"), [(6, 2), (5, 4), (7, 1), (5, 3)])
def test_every_subset_of_neighbours_is_equally_likely(degree, k):
    copies = 6000
    centre = torch.arange(copies).repeat_interleave(degree)
    data = Data(edge_index=torch.stack([torch.arange(copies * degree) % degree + copies, centre]), num_nodes=copies + 9)
    out = sample(data, [k], list(range(copies)), seed=1)
    neighbours = (out.edge % degree).reshape(copies, k).sort(1).values.tolist()
    counts = {subset: 0 for subset in combinations(range(degree), k)}
    for subset in map(tuple, neighbours):
        counts[subset] += 1
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 0.001


def test_isolated_seed_and_graph_without_edges():
    out = sample(graph(), [3, -1], [59])
    assert out.node.tolist() == [59] and out.num_sampled_nodes == [1, 0, 0] and out.edge.numel() == 0
    empty = Data(x=torch.zeros(4, 2), edge_index=torch.zeros(2, 0, dtype=torch.int64))
    assert sample(empty, [2], [1, 2]).node.tolist() == [1, 2]


def test_a_seed_given_twice_is_sampled_for_each_of_its_rows():
    data = graph()
    node = int(data.edge_index[1].bincount().argmax())
    out = sample(data, [-1], [node, node])
    first, second = (out.edge[out.col == place].sort().values for place in (0, 1))
    assert torch.equal(first, second) and first.numel() > 3


def test_the_generator_decides():
    data = graph()
    one, two, other = (sample(data, [2, 2], [5, 6, 7], seed).edge.tolist() for seed in (1, 1, 2))
    assert one == two != other
    sampler = NeighborSampler(data, [2], torch.Generator().manual_seed(0))
    seeds = NodeSamplerInput(None, torch.arange(50))
    assert not torch.equal(sampler.sample_from_nodes(seeds).edge, sampler.sample_from_nodes(seeds).edge)


def test_the_order_does_not_depend_on_the_number_of_threads():
    data, threads = graph(edges=40_000, nodes=3000), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = sample(data, [5, 5], list(range(900)))
        torch.set_num_threads(2)
        two = sample(data, [5, 5], list(range(900)))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(one.node, two.node) and torch.equal(one.row, two.row)


@pytest.mark.parametrize("workers", [0, 1])
def test_pygs_node_loader_batches_the_graph(workers):
    data = graph()
    sampler = NeighborSampler(data, [4, 3], torch.Generator().manual_seed(0))
    loader = NodeLoader(data, node_sampler=sampler, input_nodes=torch.arange(20), batch_size=8, num_workers=workers)
    seen = []
    for batch in loader:
        seen += batch.y[: batch.batch_size].tolist()
        assert torch.equal(batch.x, data.x[batch.n_id]) and torch.equal(batch.edge_attr, batch.e_id)
        assert torch.equal(batch.n_id[batch.edge_index], data.edge_index[:, batch.e_id])
    assert seen == list(range(20))


@pytest.mark.filterwarnings("ignore:This DataLoader will create 2 worker processes")  # on a single core
def test_workers_and_epochs_draw_differently():
    data = graph(edges=3000)
    sampler = NeighborSampler(data, [2], torch.Generator().manual_seed(0))
    loader = NodeLoader(
        data,
        sampler,
        torch.tensor([4, 4]),
        batch_size=1,
        num_workers=2,
        generator=torch.Generator().manual_seed(3),
    )
    drawn = [batch.e_id.tolist() for _ in range(2) for batch in loader]
    assert len(set(map(tuple, drawn))) == 4


def test_names_and_sparse_features_survive_the_loader():
    data = rooms.load("karate")
    with pytest.raises(ValueError, match="invalid feature tensor type"):  # what PyG's loader does with a list
        next(iter(NodeLoader(data, NeighborSampler(data, [2]), batch_size=4)))
    data.x = to_sparse(data.x)
    loader = neighbor_loader(data, [3, 2], data.train_mask, batch_size=3, shuffle=True, transform=lambda b: b)
    seeds = []
    for batch in loader:
        assert batch.x.layout == torch.sparse_csr
        assert torch.equal(batch.x.to_dense(), torch.eye(34)[batch.n_id])
        seeds += batch.n_id[: batch.batch_size].tolist()
    assert sorted(seeds) == data.train_mask.nonzero().flatten().tolist()
    assert "node_names" in data and data.x.shape == (34, 34)


def test_select_rows_equals_dense_indexing():
    x = torch.tensor([[0.0, 1, 2], [0, 0, 0], [3, 0, 0]])
    for index in (torch.tensor([2, 0, 1, 2]), torch.tensor([1]), torch.tensor([], dtype=torch.int64)):
        assert torch.equal(select_rows(to_sparse(x), index).to_dense(), x[index])
    with pytest.raises(ValueError, match=r"x has shape \[3\], expected"):
        to_sparse(torch.zeros(3))


def test_sampler_is_copied_and_pickled():
    sampler = NeighborSampler(graph(), [2, 2])
    seeds = NodeSamplerInput(None, torch.arange(5))
    for twin in (copy.deepcopy(sampler), pickle.loads(pickle.dumps(sampler))):
        torch.manual_seed(1)
        expected = sampler.sample_from_nodes(seeds)
        torch.manual_seed(1)
        assert torch.equal(twin.sample_from_nodes(seeds).edge, expected.edge)


def test_bad_input():
    data = graph()
    for fanout in ([], [0], [3, -2], [2.5], 5):
        with pytest.raises(ValueError, match=r"num_neighbors is .*expected a positive number or -1"):
            NeighborSampler(data, fanout)
    data.edge_index[0, 3] = 60
    with pytest.raises(ValueError, match="edge_index holds node 60"):
        NeighborSampler(data, [2])
    with pytest.raises(NotImplementedError, match="samples around nodes"):
        NeighborSampler(graph(), [2]).sample_from_edges(None)
    with pytest.raises(NotImplementedError, match="samples around nodes"):
        next(iter(LinkLoader(graph(), NeighborSampler(graph(), [2]), graph().edge_index)))
    with pytest.raises(
        ValueError, match="NeighborSampler samples a Data, a HeteroData or a pair of stores, got a dict"
    ):
        NeighborSampler({}, [2])
    with pytest.raises(ValueError, match="weight_attr is 'edge_weight', but the edges have no such attribute"):
        NeighborSampler(graph(), [2], weight_attr="edge_weight")
    data = graph()
    data.edge_weight = -torch.ones(data.num_edges)
    with pytest.raises(ValueError, match=r"edge weights must be finite and not negative, but one is -1\.0"):
        NeighborSampler(data, [2], weight_attr="edge_weight")
    for wrong in (60, -1):
        with pytest.raises(ValueError, match=f"the seeds hold node {wrong}, but the graph has 60 nodes"):
            sample(graph(), [2], [3, wrong])


def star(weights):
    """Node 0 with an edge from each of the others."""
    count = len(weights)
    edge_index = torch.stack([torch.arange(1, count + 1), torch.zeros(count, dtype=torch.long)])
    return Data(edge_index=edge_index, edge_weight=torch.tensor(weights), num_nodes=count + 1)


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("weights", [[1.0, 0.0, 2.0, 5.0], [1.0, 0.0, 2.0, 5.0] + [0.0] * 20])  # sorted, and drawn
def test_weights_are_probabilities(replace, weights):
    sampler = NeighborSampler(
        star(weights), [2], torch.Generator().manual_seed(0), replace=replace, weight_attr="edge_weight"
    )
    out = sampler.sample_from_nodes(NodeSamplerInput(None, torch.zeros(8000, dtype=torch.long)))
    pairs = out.edge.view(8000, 2).sort(1).values
    share = torch.tensor(weights[:4]) / 8
    expected = torch.zeros(4, 4)
    for i, j in ((i, j) for i in range(4) for j in range(4) if replace or i != j):
        rest = 1.0 if replace else 1 - share[i]
        expected[min(i, j), max(i, j)] += share[i] * share[j] / rest
    found = torch.bincount(pairs[:, 0] * 4 + pairs[:, 1], minlength=16).view(4, 4) / 8000
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)


def test_a_few_heavy_edges_do_not_keep_the_others_out():
    data = star([1e12, 1e12] + [1.0] * 60)
    sampler = NeighborSampler(data, [4], torch.Generator().manual_seed(0), weight_attr="edge_weight")
    out = sampler.sample_from_nodes(NodeSamplerInput(None, torch.zeros(3000, dtype=torch.long)))
    drawn = out.edge.view(3000, 4).sort(1).values
    assert drawn[:, :2].tolist() == [[0, 1]] * 3000 and bool((drawn[:, 2] != drawn[:, 3]).all())
    assert scipy.stats.chisquare(drawn[:, 2:].flatten().bincount(minlength=62)[2:]).pvalue > 1e-3


def test_with_replacement_every_node_with_an_edge_gets_k():
    out = NeighborSampler(graph(), [9], replace=True).sample_from_nodes(NodeSamplerInput(None, torch.arange(60)))
    degree = graph().edge_index[1].bincount(minlength=60)
    assert torch.equal(out.col.bincount(minlength=60), 9 * (degree > 0).long())
    assert torch.equal(out.node[out.row], graph().edge_index[0, out.edge])


def test_disjoint_neighbourhoods_are_those_of_each_seed_alone():
    data, seeds = graph(), [4, 4, 9, 30]
    sampler = NeighborSampler(data, [-1, -1], disjoint=True)
    out = sampler.sample_from_nodes(NodeSamplerInput(None, torch.tensor(seeds)))
    assert torch.equal(out.batch[out.row], out.batch[out.col])
    assert torch.equal(out.node[out.row], data.edge_index[0, out.edge])
    for place, seed in enumerate(seeds):
        alone = sample(data, [-1, -1], [seed])
        assert sorted(out.node[out.batch == place].tolist()) == sorted(alone.node.tolist())
        assert sorted(out.edge[out.batch[out.row] == place].tolist()) == sorted(alone.edge.tolist())


def test_kinds_of_nodes_and_edges():
    g, data = torch.Generator().manual_seed(0), HeteroData()
    data["paper"].x, data["author"].x = torch.arange(40)[:, None], torch.arange(30)[:, None]
    sizes = {"paper": 40, "author": 30}
    for kind in (("author", "writes", "paper"), ("paper", "cites", "paper"), ("paper", "by", "author")):
        ends = [torch.randint(sizes[end], (90,), generator=g) for end in kind[::2]]
        data[kind].edge_index, data[kind].edge_attr = torch.stack(ends), torch.arange(90)
    batches = neighbor_loader(data, [3, 2], ("paper", torch.arange(20)), batch_size=8, generator=g)
    for batch in batches:
        for kind in data.edge_types:
            source, target = batch[kind].edge_index
            given = data[kind].edge_index[:, batch[kind].edge_attr]
            assert torch.equal(batch[kind[0]].x[source, 0], given[0])
            assert torch.equal(batch[kind[2]].x[target, 0], given[1])
        seeds = batch["paper"].batch_size
        cited = batch["paper", "cites", "paper"].edge_index[1].bincount(minlength=seeds)[:seeds]
        degree = data["paper", "cites", "paper"].edge_index[1].bincount(minlength=40)
        assert torch.equal(cited, degree[batch["paper"].x[:seeds, 0]].clamp(max=3))
    whole = NeighborSampler(data, {kind: [-1, -1] for kind in data.edge_types})
    out = whole.sample_from_nodes(NodeSamplerInput(None, torch.tensor([7]), input_type="paper"))
    ends = {kind: data[kind].edge_index for kind in data.edge_types}
    writers = ends["author", "writes", "paper"][0, ends["author", "writes", "paper"][1] == 7]
    assert set(writers.tolist()) <= set(out.node["author"].tolist())
    assert len(set(out.node["paper"].tolist())) == out.node["paper"].numel()
