"""What a guard lets pass on a device."""

import warnings

import pytest
import torch

from graphreel.core.guard import Guard
from graphreel.gnn.kernels.spmm import PRODUCT

CPU = torch.device("cpu")


def test_a_kernel_that_agrees_is_tried_once_and_as_a_call_outside_of_any_mode():
    calls = []

    def check(device):
        calls.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")))
        return [torch.ones(2)], [torch.ones(2)]

    guard = Guard("the kernel", "the loop", check)
    with warnings.catch_warnings(), torch.inference_mode(), torch.autocast("cpu"):
        warnings.simplefilter("error")
        assert guard.passes(CPU) and guard.passes(CPU)
    assert calls == [(True, False, False)]


@pytest.mark.parametrize("fails", [False, True])
def test_one_that_does_not_warns_once_and_is_not_used(fails):
    def check(device):
        if fails:
            raise OSError("no C compiler\nwas found")
        return [torch.ones(2)], [torch.zeros(2)]

    guard = Guard("the kernel", "the loop", check)
    with pytest.warns(UserWarning, match="^the kernel is not used on cpu, the loop is: ") as found:
        assert not guard.passes(CPU) and not guard.passes(CPU)
    assert len(found) == 1 and "\n" not in str(found[0].message)


def test_the_sparse_product_agrees():
    assert PRODUCT.passes(CPU)
