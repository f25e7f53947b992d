"""Whatever reorders, adds or merges edges takes along all that belongs to them."""

import pytest
import torch
from torch_geometric.data import Data

from graphreel.data.clips.clip import Clip
from graphreel.data.graphs.edge_attributes import undirected
from graphreel.data.graphs.neighbor_loader import with_gcn_weights
from graphreel.experiments.graph_model import prepare_graph
from graphreel.experiments.graph_settings import GnnSettings


def drawn(seed: int, num_nodes: int = 9, num_edges: int = 30) -> Data:
    """A graph whose attributes all say which edge they belong to: source * 100 + target."""
    generator = torch.Generator().manual_seed(seed)
    edge_index = torch.randint(num_nodes, (2, num_edges), generator=generator).unique(dim=1)
    edge_index = edge_index[:, torch.randperm(edge_index.size(1), generator=generator)]
    code = edge_index[0] * 100 + edge_index[1]
    return Data(
        x=torch.randn(num_nodes, 2, generator=generator),
        edge_index=edge_index,
        edge_weight=torch.rand(code.numel(), generator=generator) + 0.5,
        edge_attr=torch.stack([code.float(), -code.float()], 1),
        edge_type=code,
        edge_names=[str(value) for value in code.tolist()],
    )


def one_way(data: Data) -> Data:
    keep = data.edge_index[0] < data.edge_index[1]
    return Data(
        x=data.x,
        edge_index=data.edge_index[:, keep],
        edge_type=data.edge_type[keep],
        edge_attr=data.edge_attr[keep],
        edge_names=[name for name, kept in zip(data.edge_names, keep.tolist(), strict=True) if kept],
    )


def unordered(data: Data) -> list[int]:
    low, high = data.edge_index.sort(0).values
    return (low * 100 + high).tolist()


@pytest.mark.parametrize("seed", range(5))
def test_gcn_weights_go_with_their_edges(seed):
    data = drawn(seed)
    del data["edge_names"]
    weighted = with_gcn_weights(data, fill_value=-7)
    code = weighted.edge_index[0] * 100 + weighted.edge_index[1]
    given = set((data.edge_index[0] * 100 + data.edge_index[1]).tolist())
    expected = torch.tensor([value if value in given else -7 for value in code.tolist()])
    assert torch.equal(weighted.edge_type, expected)
    assert torch.equal(weighted.edge_attr[:, 0], expected.float())
    adjacency = torch.zeros(9, 9).index_put((data.edge_index[1], data.edge_index[0]), data.edge_weight)
    adjacency += torch.diag((adjacency.diagonal() == 0).float())
    root = adjacency.sum(1).rsqrt()
    expected = root[:, None] * adjacency * root
    torch.testing.assert_close(weighted.edge_weight, expected[weighted.edge_index[1], weighted.edge_index[0]])


def test_gcn_weights_of_loops():
    with pytest.raises(ValueError, match="edge_names is no tensor and has no entry for the self-loops that are added"):
        with_gcn_weights(drawn(0))
    looped = Data(edge_index=torch.tensor([[1, 0, 0, 1], [1, 1, 0, 1]]), edge_type=torch.arange(4), num_nodes=2)
    assert with_gcn_weights(looped).edge_type.tolist() == [1, 2, 3]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", [Data, Clip])
def test_both_directions_carry_the_same(seed, kind):
    data = one_way(drawn(seed))
    if kind is Clip:
        data = Clip(frame=torch.zeros(9, dtype=torch.long), num_frames=1, **data.to_dict())
        both = data.undirected()
    else:
        both = undirected(data)
    assert both.num_edges == 2 * data.num_edges
    assert both.edge_type.tolist() == unordered(both)
    assert both.edge_attr[:, 1].tolist() == [-value for value in unordered(both)]
    assert [int(name) for name in both.edge_names] == unordered(both)


def test_edges_that_fall_together_are_averaged_or_refused():
    edge_index = torch.tensor([[0, 1, 1], [1, 0, 2]])
    data = Data(edge_index=edge_index, edge_attr=torch.tensor([1.0, 3.0, 5.0]), edge_type=torch.tensor([2, 2, 4]))
    data.num_nodes = 3
    both = undirected(data)
    assert both.edge_index.tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    assert both.edge_attr.tolist() == [2.0, 2.0, 5.0, 5.0]
    assert both.edge_type.tolist() == [2, 2, 4, 4]
    data.edge_type = torch.tensor([2, 3, 4])
    with pytest.raises(ValueError, match="edge_type differs between edges that fall together and cannot be averaged"):
        undirected(data)


def test_a_training_reads_all_attributes_of_reversed_edges():
    data = one_way(drawn(1))
    data.edge_weight = data.edge_attr[:, 0].clone()
    ready = prepare_graph(data, GnnSettings("cora", undirected=True), "cpu")
    assert ready.edge_weight.tolist() == ready.edge_attr[:, 0].tolist() == unordered(ready)
