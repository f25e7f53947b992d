import copy
import gc
import io
import pickle
import threading

import torch

from graphreel.gnn import GAT, GCN, GATv2Conv, GCNConv
from graphreel.gnn.kernels.tensor_cache import _entries, forget, remember


class Counted:
    """Computes the sum of a tensor and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, tensor: torch.Tensor) -> int:
        def compute() -> int:
            self.calls += 1
            return int(tensor.sum())

        return remember(tensor, "sum", compute)


def test_an_unchanged_tensor_is_computed_once():
    tensor, total = torch.arange(4), Counted()
    assert [total(tensor), total(tensor)] == [6, 6]
    assert total.calls == 1


def test_each_key_has_its_own_result():
    tensor = torch.arange(3)
    assert remember(tensor, "a", lambda: 1) == 1
    assert remember(tensor, "b", lambda: 2) == 2


def test_a_write_in_place_is_noticed():
    tensor, total = torch.arange(4), Counted()
    total(tensor)
    tensor[0] = 10
    assert total(tensor) == 16
    tensor.view(2, 2).add_(1)
    assert total(tensor) == 20


def test_an_equal_tensor_is_another_object():
    tensor, total = torch.arange(4), Counted()
    total(tensor)
    total(tensor.clone())
    assert total.calls == 2


def test_a_write_past_the_version_counter_needs_forget():
    tensor, total = torch.arange(4), Counted()
    total(tensor)
    tensor.numpy()[0] = 10
    forget(tensor)
    assert total(tensor) == 16
    tensor.numpy()[0] = 20
    forget()
    assert total(tensor) == 26


def test_new_data_is_noticed():
    tensor, total = torch.arange(4), Counted()
    total(tensor)
    tensor.data = torch.arange(4) + 1
    assert total(tensor) == 10


def test_the_memory_is_weak():
    gc.collect()
    before = len(_entries)
    tensors = [torch.arange(3) + i for i in range(5)]
    for tensor in tensors:
        remember(tensor, "result", lambda: torch.zeros(3))
    assert len(_entries) == before + 5
    del tensor, tensors
    assert len(_entries) == before


def test_nothing_outlives_a_training_step(everything, generator):
    """Whatever a step remembers for a tensor made in it goes with that tensor, without the garbage collector."""
    x = torch.randn(7, 5, generator=generator)
    adjacency = torch.sparse_coo_tensor(everything.edge_index, torch.ones(8), (7, 7), check_invariants=True).coalesce()
    networks = [GCN(5, 4, 2, 3, 0.5, 0.5), GAT(5, 4, 2, 3, 0.6, 0.6, heads=2), GAT(5, 4, 2, 3, heads=2, v2=True)]

    def step() -> None:
        for network in networks:
            for features in (x.clone(), x.to_sparse_csr()):
                for edge_index in (everything.edge_index.clone(), everything.edge_index):
                    network(features, edge_index).sum().backward()
        GCNConv(5, 4)(x, everything.edge_index, torch.ones(8)).sum().backward()
        GCNConv(5, 64)(x.repeat(1, 1), adjacency.to_sparse_csr()).sum().backward()
        GATv2Conv(5, 4, edge_dim=1)(x, everything.edge_index.clone(), torch.ones(8, 1)).sum().backward()

    step()
    gc.collect()
    gc.disable()
    try:
        before = len(_entries)
        step()
        assert len(_entries) == before
    finally:
        gc.enable()


def test_copies_and_pickles_carry_nothing():
    tensor, total = torch.arange(4), Counted()
    plain = pickle.dumps(tensor)
    total(tensor)
    assert pickle.dumps(tensor) == plain
    assert tensor.__dict__ == {}
    total(copy.deepcopy(tensor))
    assert total.calls == 2
    buffer = io.BytesIO()
    torch.save(tensor, buffer)
    buffer.seek(0)
    assert torch.equal(torch.load(buffer, weights_only=True), tensor)


def test_inference_tensors_are_not_remembered():
    with torch.inference_mode():
        tensor = torch.arange(4)
    total = Counted()
    assert [total(tensor), total(tensor)] == [6, 6]
    assert total.calls == 2


def test_results_made_in_inference_mode_serve_training():
    tensor = torch.arange(4.0)
    with torch.inference_mode():
        result = remember(tensor, "double", lambda: tensor * 2)
    weight = torch.ones(4, requires_grad=True)
    (weight * result).sum().backward()
    assert torch.equal(weight.grad, tensor * 2)


def test_threads_agree():
    tensor, results = torch.arange(1000), []

    def work() -> None:
        for _ in range(50):
            results.append(remember(tensor, "sum", lambda: int(tensor.sum())))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [499500] * 200
