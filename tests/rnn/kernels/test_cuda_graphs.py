"""How graphs are kept and replayed, with a stand-in for CUDA's that calls the function again in the same memory."""

import pytest
import torch

from graphreel.rnn.kernels.cuda_graphs import CudaGraphs


def _stand_in(function):
    results = function()

    def replay():
        for kept, new in zip(results, function(), strict=True):
            kept.copy_(new)

    return results, replay


def test_from_the_second_call_of_a_shape_on_it_is_replayed():
    calls, captured = [], []

    def function(a, missing, b):
        calls.append(a)
        return [a + b, a * b]

    graphs = CudaGraphs(lambda run: captured.append(run) or _stand_in(run), "cpu")
    kept = []
    for number in range(4):
        a, b = torch.full((3,), float(number)), torch.ones(3)
        kept.append(graphs.run("sum", function, a, None, b))
        assert len(captured) == (number > 0)
    for number, (total, product) in enumerate(kept):  # no later call has written over an earlier one's results
        assert total.tolist() == [number + 1.0] * 3 and product.tolist() == [float(number)] * 3
    assert len({a.data_ptr() for a in calls[1:]}) == 1
    graphs.run("sum", function, torch.ones(2), None, torch.ones(2))
    graphs.run("other", function, torch.ones(3), None, torch.ones(3))
    assert len(captured) == 1


def test_a_capture_that_fails_leaves_the_loop():
    def fail(run):
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    graphs = CudaGraphs(fail, "cpu")
    one = torch.ones(1)
    graphs.run("double", lambda a: [2 * a], one)
    with pytest.warns(UserWarning, match="the loop is run step by step: operation not permitted$"):
        assert graphs.run("double", lambda a: [2 * a], one)[0] == 2
    assert graphs.run("double", lambda a: [2 * a], one)[0] == 2
