import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from graphreel.rnn.analysis.bptt import bptt_gradients
from graphreel.rnn.analysis.report_gradients import report_gradients


def problem(batch=3, steps=5, d=2, n=4, k=3, every_step=False, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    weights = {
        "W_hx": draw(n, d), "W_hh": draw(n, n) * scale / n**0.5, "W_ph": draw(k, n), "b_h": draw(n), "b_p": draw(k),
    }  # fmt: skip
    targets = torch.randint(0, k, (batch, steps) if every_step else (batch,), generator=generator)
    return weights, draw(batch, steps, d), targets


def autograd(weights, inputs, targets):
    weights = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    total = 0
    for sample, target in zip(inputs, targets, strict=True):
        h = torch.zeros(weights["b_h"].numel(), dtype=inputs.dtype)
        losses = []
        for t, x in enumerate(sample):
            h = torch.tanh(weights["W_hx"] @ x + weights["W_hh"] @ h + weights["b_h"])
            p = weights["W_ph"] @ h + weights["b_p"]
            wanted = target if target.dim() == 0 else target[t]
            losses.append(F.cross_entropy(p[None], wanted[None]))
        total = total + (losses[-1] if target.dim() == 0 else torch.stack(losses).mean())
    names = list(weights)
    return dict(zip(names, torch.autograd.grad(total / len(inputs), list(weights.values())), strict=True))


@given(
    st.integers(1, 4), st.integers(1, 12), st.integers(1, 4), st.integers(1, 6), st.integers(1, 5), st.booleans(),
    st.integers(0, 1000), st.sampled_from([0.3, 1.0, 2.0]),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_equals_autograd(batch, steps, d, n, k, every_step, seed, scale):
    weights, inputs, targets = problem(batch, steps, d, n, k, every_step, seed, scale)
    wanted = autograd(weights, inputs, targets)
    got = bptt_gradients(weights, inputs, targets)
    assert got.keys() == wanted.keys()
    for name in wanted:
        torch.testing.assert_close(got[name], wanted[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("every_step", [False, True])
def test_shares_of_the_steps_add_up(every_step):
    weights, inputs, targets = problem(every_step=every_step)
    gradients = bptt_gradients(weights, inputs, targets, per_step=True)
    share = gradients["W_hh_per_step"]
    assert share.shape == (5, 4, 4)
    torch.testing.assert_close(share.sum(0), gradients["W_hh"], rtol=1e-12, atol=1e-12)
    assert bool((share[0] == 0).all())  # h_0 is zero
    assert bool((share[1:].flatten(1).norm(dim=1) > 0).all())


def test_a_share_is_the_derivative_by_that_step_s_own_copy_of_the_weight():
    weights, inputs, targets = problem()
    copies = [weights["W_hh"].clone().requires_grad_() for _ in range(inputs.shape[1])]
    h = torch.zeros(3, 4, dtype=torch.float64)
    for t, copy in enumerate(copies):
        h = torch.tanh(inputs[:, t] @ weights["W_hx"].T + h @ copy.T + weights["b_h"])
    loss = F.cross_entropy(h @ weights["W_ph"].T + weights["b_p"], targets)
    wanted = torch.stack(torch.autograd.grad(loss, copies))
    got = bptt_gradients(weights, inputs, targets, per_step=True)["W_hh_per_step"]
    torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)


def test_gradients_leave_no_trace():
    weights, inputs, targets = problem()
    weights["W_hh"].requires_grad_()
    assert not any(gradient.requires_grad for gradient in bptt_gradients(weights, inputs, targets).values())


def test_the_report_s_formula_entry_by_entry_and_its_departure():
    weights, inputs, targets = problem(batch=2, steps=4, n=3, k=3)
    got = report_gradients(weights, inputs, targets)
    wanted = {"W_ph": torch.zeros(3, 3, dtype=torch.float64), "W_hh": torch.zeros(3, 3, dtype=torch.float64)}
    for sample, target in zip(inputs, targets, strict=True):
        states = [torch.zeros(3, dtype=torch.float64)]
        for x in sample:
            states.append(torch.tanh(weights["W_hx"] @ x + weights["W_hh"] @ states[-1] + weights["b_h"]))
        y = torch.softmax(weights["W_ph"] @ states[-1] + weights["b_p"], 0)
        i = int(target)
        for j in range(3):
            outer = -1 / y[i] * (y[j] - y[i])
            wanted["W_ph"][i, j] += outer * states[-1][j] / 2
            for t in range(1, 5):
                slope = (1 - states[t][j]) * states[t][j]
                wanted["W_hh"][i, j] += outer / y[i] * weights["W_ph"][i, j] * states[t - 1][j] * slope / 2
    right = autograd(weights, inputs, targets)
    for name in wanted:
        torch.testing.assert_close(got[name], wanted[name], rtol=1e-12, atol=1e-12)
        assert (got[name] - right[name]).norm() > 0.1 * right[name].norm()


def without(name):
    weights, inputs, targets = problem()
    del weights[name]
    return weights, inputs, targets


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b_p": torch.zeros(7)}, r"b_p must have shape \[3\], got \[7\]"),
        ({"W_hh": torch.zeros(4, 3)}, r"W_hh must have shape \[4, 4\], got \[4, 3\]"),
        ({"W_hx": torch.zeros(4)}, r"W_hx and W_ph must be matrices, got shapes \[4\] and \[3, 4\]"),
        ({"W_hh": torch.zeros(4, 4)}, "W_hh must be torch.float64 like W_hx, got torch.float32"),
        ({"inputs": torch.zeros(3, 5, 2)}, "inputs must be torch.float64 like W_hx, got torch.float32"),
        ({"inputs": torch.zeros(3, 5, 9)}, r"inputs must have shape \[B, T, 2\] and not be empty, got \[3, 5, 9\]"),
        ({"inputs": torch.zeros(3, 0, 2)}, r"inputs must have shape \[B, T, 2\] and not be empty, got \[3, 0, 2\]"),
        ({"targets": torch.zeros(2, dtype=torch.long)}, r"targets must have shape \[3\] or \[3, 5\], got \[2\]"),
        ({"targets": torch.zeros(3)}, "targets must be class indices, got torch.float32"),
        ({"targets": torch.tensor([0, 3, 1])}, r"targets must lie in 0\.\.2, got 0\.\.3"),
    ],
)
def test_bad_input(change, message):
    weights, inputs, targets = problem()
    weights.update({name: value for name, value in change.items() if name in weights})
    with pytest.raises(ValueError, match=message):
        bptt_gradients(weights, change.get("inputs", inputs), change.get("targets", targets))


def test_missing_weight_and_a_report_without_meaning():
    with pytest.raises(ValueError, match="weights must hold W_hx, W_hh, W_ph, b_h, b_p, got W_hh, W_hx, W_ph, b_h"):
        bptt_gradients(*without("b_p"))
    with pytest.raises(ValueError, match="needs as many classes as hidden units, got 3 and 4"):
        report_gradients(*problem())
    with pytest.raises(ValueError, match=r"expected targets \[B\], got \[B, T\]"):
        report_gradients(*problem(n=3, every_step=True))
