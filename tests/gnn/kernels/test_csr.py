import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch_geometric import EdgeIndex
from torch_geometric.utils import add_remaining_self_loops

from graphreel.gnn.kernels.csr import CSRGraph, check_edges, to_csr


def as_pairs(edge_index):
    return [tuple(pair) for pair in edge_index.t().tolist()]


def rows(compressed):
    """(row, neighbor, position) of each entry, read by a plain loop over the pointers."""
    pointer = compressed.pointer.tolist()
    return [
        (row, int(compressed.neighbor[k]), int(compressed.position[k]))
        for row in range(len(pointer) - 1)
        for k in range(pointer[row], pointer[row + 1])
    ]


def assert_sorts(edges: CSRGraph, listed: list[tuple[int, int]]) -> None:
    """by_target and by_source are ``listed`` (source, target), regrouped."""
    by_target = rows(edges.by_target)
    assert sorted(position for _, _, position in by_target) == list(range(len(listed)))
    assert all(listed[position] == (source, target) for target, source, position in by_target)
    assert edges.target.tolist() == [target for target, _, _ in by_target]
    by_source = rows(edges.by_source)
    assert sorted(position for _, _, position in by_source) == list(range(len(listed)))
    assert all(by_target[position][:2] == (target, source) for source, target, position in by_source)
    assert as_pairs(edges.edge_list()) == listed


def test_a_small_graph_by_hand():
    edges = to_csr(torch.tensor([[0, 1, 2, 0], [1, 0, 1, 2]]), 3)
    assert edges.by_target.pointer.tolist() == [0, 1, 3, 4]
    assert edges.by_target.neighbor.tolist() == [1, 0, 2, 0]
    assert edges.by_target.position.tolist() == [1, 0, 2, 3]
    assert edges.by_source.pointer.tolist() == [0, 2, 3, 4]
    assert edges.by_source.neighbor.tolist() == [1, 2, 0, 1]
    assert edges.by_target.pointer.dtype == edges.by_source.neighbor.dtype == torch.int32
    assert all(part.dtype == torch.int64 for part in edges.wide)


@given(
    st.integers(1, 6).flatmap(lambda n: st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=20))
)
def test_any_graph_as_it_is(pairs):
    edge_index = torch.tensor(pairs, dtype=torch.long).view(-1, 2).t()
    assert_sorts(to_csr(edge_index, 6), pairs)
    reverse = to_csr(edge_index, 6, flow="target_to_source")
    assert_sorts(reverse, [(t, s) for s, t in pairs])
    assert rows(reverse.flipped.by_target) == rows(reverse.by_source)


@given(
    st.integers(1, 6).flatmap(lambda n: st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=20))
)
def test_any_graph_with_one_loop_each(pairs):
    edge_index = torch.tensor(pairs, dtype=torch.long).view(-1, 2).t()
    weight = torch.arange(len(pairs), dtype=torch.float64)
    edges = to_csr(edge_index, 6, self_loops=True)
    listed, listed_weight = add_remaining_self_loops(edge_index, weight, -1.0, 6)
    assert_sorts(edges, as_pairs(listed))
    filled = torch.cat([weight, torch.tensor([-1.0], dtype=torch.float64)])
    assert torch.equal(filled[edges.given], listed_weight)
    assert torch.equal(filled[edges.origin], listed_weight[edges.by_target.position.long()])


def test_bipartite():
    edges = to_csr(torch.tensor([[0, 4, 2], [1, 0, 1]]), (5, 2))
    assert edges.by_target.pointer.tolist() == [0, 1, 3]
    assert edges.by_source.pointer.tolist() == [0, 1, 1, 2, 2, 3]


def test_the_second_call_returns_the_same_object_until_a_write():
    edge_index = torch.tensor([[0, 1], [1, 0]])
    first = to_csr(edge_index, 3)
    assert to_csr(edge_index, 3) is first
    assert to_csr(edge_index, 4) is not first
    edge_index[0, 0] = 2
    assert to_csr(edge_index, 3).by_target.neighbor.tolist() == [1, 2]
    assert first.by_target.neighbor.tolist() == [1, 0]


def test_edge_index_of_pyg_and_int32():
    pairs = [[0, 1, 2, 0], [1, 0, 1, 2]]
    plain = to_csr(torch.tensor(pairs), 3)
    for other in (EdgeIndex(pairs, sparse_size=(3, 3)), torch.tensor(pairs, dtype=torch.int32)):
        assert all(torch.equal(a, b) for a, b in zip(to_csr(other, 3).by_target, plain.by_target, strict=True))
        assert type(to_csr(other, 3).by_target.neighbor) is torch.Tensor


@pytest.mark.parametrize(
    ("edge_index", "message"),
    [
        (torch.tensor([[0, 9], [1, 0]]), "edge_index holds node 9, but x has 6 rows"),
        (torch.tensor([[0, 1], [-1, 0]]), "edge_index holds node -1, but x has 6 rows"),
        (
            torch.tensor([[0.0], [1.0]]),
            "edge_index must hold int64 or int32 node numbers, but its dtype is torch.float32",
        ),
        (torch.tensor([0, 1]), r"edge_index must have the shape \[2, edges\], but its shape is \[2\]"),
        (
            torch.zeros(3, 2, dtype=torch.long),
            r"edge_index must have the shape \[2, edges\], but its shape is \[3, 2\]",
        ),
    ],
)
def test_malformed_edges(edge_index, message):
    for call in (to_csr, check_edges):
        with pytest.raises(ValueError, match=message):
            call(edge_index, 6)


def test_a_bipartite_bound_holds_for_its_own_side():
    check_edges(torch.tensor([[4], [1]]), (5, 2))
    with pytest.raises(ValueError, match="edge_index holds node 4, but x has 2 rows"):
        check_edges(torch.tensor([[4], [1]]), (5, 2), flow="target_to_source")
