"""The gradients as the report states them, kept to show where they depart from the right ones."""

import torch
from torch import Tensor

from .bptt import check_problem, rnn_states


def report_gradients(weights: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
    r"""The report's answers to question 1.1, taken at their word.

    .. math::
        \Big[\frac{\partial L}{\partial W_{ph}}\Big]_{ij} &=
            -y \frac{1}{\mathrm{softmax}(p_i)} (\mathrm{softmax}(p_j) - \mathrm{softmax}(p_i))\, h_j \\
        \Big[\frac{\partial L}{\partial W_{hh}}\Big]_{ij} &= \sum_{t \le T}
            -y \frac{1}{\hat y\,\mathrm{softmax}(p_i)} (\mathrm{softmax}(p_j) - \mathrm{softmax}(p_i))\, W_{ph}
            \frac{\partial h_j}{\partial W_{hh}} (1 - h_j) h_j

    How it is read: softmax(p_i) is the probability of class i at the last step; y and y^ without an index take i; W_ph
    takes ij; dh_j / dW_hh at step t is the state that W_hh multiplies there, entry j of h_{t-1}; h_j is entry j of h_T
    in the first line and of h_t in the second. Since j counts classes in softmax(p_j) and hidden units in h_j, the
    formula has a value only where there are as many of the one as of the other.

    What is wrong in it: the derivative of the softmax is y^_i (delta_ij - y^_j), the derivative of tanh is 1 - h^2
    ((1 - h) h is the sigmoid's), and the error of the last step reaches step t without the T - t Jacobians between.

    Args:
        weights: as for `bptt_gradients`, with as many classes as hidden units.
        inputs: [B, T, d].
        targets: class indices [B].

    Returns:
        "W_ph" and "W_hh", averaged over the batch.

    Raises:
        ValueError: as `bptt_gradients`; classes and hidden units differ in number; targets for every step.
    """
    check_problem(weights, inputs, targets)
    classes, hidden = weights["W_ph"].shape
    if classes != hidden:
        raise ValueError(f"the report's formula needs as many classes as hidden units, got {classes} and {hidden}")
    if targets.dim() != 1:
        raise ValueError("the report's formula has a loss at the last step only: expected targets [B], got [B, T]")
    with torch.no_grad():
        states = rnn_states(weights, inputs)
        before, after = states[:-1], states[1:]
        probability = torch.softmax(after[-1] @ weights["W_ph"].T + weights["b_p"], -1)
        hot = torch.nn.functional.one_hot(targets.long(), classes)
        difference = probability[:, None, :] - probability[:, :, None]  # [B, i, j]
        outer = (-hot / probability)[:, :, None] * difference
        per_class = outer / probability[:, :, None] * weights["W_ph"]
        through_time = (before * (1 - after) * after).sum(0)  # [B, j]
        return {
            "W_ph": (outer * after[-1][:, None, :]).mean(0),
            "W_hh": (per_class * through_time[:, None, :]).mean(0),
        }
