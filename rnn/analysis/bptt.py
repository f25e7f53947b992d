"""The gradients of the vanilla RNN in closed form: back-propagation through time, written out."""

import torch
from torch import Tensor

WEIGHTS = ("W_hx", "W_hh", "W_ph", "b_h", "b_p")


def check_problem(weights: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> None:
    """Raise ValueError where weights, inputs and targets of a vanilla RNN don't fit together."""
    if set(weights) != set(WEIGHTS):
        raise ValueError(f"weights must hold {', '.join(WEIGHTS)}, got {', '.join(sorted(weights)) or 'none'}")
    if weights["W_hx"].dim() != 2 or weights["W_ph"].dim() != 2:
        got = " and ".join(str(list(weights[name].shape)) for name in ("W_hx", "W_ph"))
        raise ValueError(f"W_hx and W_ph must be matrices, got shapes {got}")
    (n, d), k = weights["W_hx"].shape, weights["W_ph"].shape[0]
    for name, shape in {"W_hh": (n, n), "W_ph": (k, n), "b_h": (n,), "b_p": (k,)}.items():
        if tuple(weights[name].shape) != shape:
            raise ValueError(f"{name} must have shape {list(shape)}, got {list(weights[name].shape)}")
    if inputs.dim() != 3 or 0 in inputs.shape or inputs.shape[2] != d:
        raise ValueError(f"inputs must have shape [B, T, {d}] and not be empty, got {list(inputs.shape)}")
    batch, steps = inputs.shape[:2]
    if tuple(targets.shape) not in ((batch,), (batch, steps)):
        raise ValueError(f"targets must have shape [{batch}] or [{batch}, {steps}], got {list(targets.shape)}")
    if targets.dtype.is_floating_point or targets.dtype.is_complex or targets.dtype == torch.bool:
        raise ValueError(f"targets must be class indices, got {targets.dtype}")
    if int(targets.min()) < 0 or int(targets.max()) >= k:
        raise ValueError(f"targets must lie in 0..{k - 1}, got {int(targets.min())}..{int(targets.max())}")
    for name, given in (*weights.items(), ("inputs", inputs)):
        if given.dtype != weights["W_hx"].dtype:
            raise ValueError(f"{name} must be {weights['W_hx'].dtype} like W_hx, got {given.dtype}")


def rnn_states(weights: dict[str, Tensor], inputs: Tensor) -> Tensor:
    """h_0 = 0 and h_t = tanh(W_hx x_t + W_hh h_{t-1} + b_h) for inputs [B, T, d]: all states [T + 1, B, n]."""
    entering = inputs.transpose(0, 1) @ weights["W_hx"].T + weights["b_h"]
    states = [torch.zeros_like(entering[0])]
    for x in entering:
        states.append(torch.tanh(x + states[-1] @ weights["W_hh"].T))
    return torch.stack(states)


def bptt_gradients(
    weights: dict[str, Tensor], inputs: Tensor, targets: Tensor, per_step: bool = False
) -> dict[str, Tensor]:
    r"""Gradients of the vanilla RNN's cross entropy, without autograd.

    .. math::
        h_t &= \tanh(W_{hx} x_t + W_{hh} h_{t-1} + b_h), \quad h_0 = 0 \qquad p_t = W_{ph} h_t + b_p \\
        e_t &= \mathrm{softmax}(p_t) - y_t \quad\text{(0 where step t has no loss)} \\
        d_t &= (1 - h_t^2) \odot (W_{ph}^\top e_t + W_{hh}^\top d_{t+1}), \quad d_{T+1} = 0 \\
        \frac{\partial L}{\partial W_{ph}} &= \sum_t e_t h_t^\top \qquad
        \frac{\partial L}{\partial W_{hh}} = \sum_t d_t h_{t-1}^\top \qquad
        \frac{\partial L}{\partial W_{hx}} = \sum_t d_t x_t^\top \qquad
        \frac{\partial L}{\partial b_h} = \sum_t d_t \qquad \frac{\partial L}{\partial b_p} = \sum_t e_t

    With a loss at the last step only, the gradient of W_ph has no sum over time, while that of W_hh depends on every
    step: d_t carries the error back through T - t factors diag(1 - h^2) W_hh^T.

    Args:
        weights: W_hx [n, d], W_hh [n, n], W_ph [k, n], b_h [n], b_p [k].
        inputs: [B, T, d].
        targets: class indices [B] (loss at the last step) or [B, T] (loss averaged over the steps).
        per_step: also return each step's share of the gradient of W_hh.

    Returns:
        The gradient of the loss, averaged over the batch, under each weight's name; with `per_step` also
        "W_hh_per_step" [T, n, n], whose sum over T is "W_hh".

    Raises:
        ValueError: a weight is missing, or shapes, dtypes or class indices don't fit.
    """
    check_problem(weights, inputs, targets)
    with torch.no_grad():
        batch, steps, _ = inputs.shape
        states = rnn_states(weights, inputs)
        after = states[1:]  # [T, B, n]
        error = torch.zeros(steps, batch, weights["b_p"].numel(), dtype=after.dtype, device=after.device)
        first = 0 if targets.dim() == 2 else steps - 1
        wanted = targets.reshape(batch, -1).T  # [T, B], or [1, B] for the last step alone
        probability = torch.softmax(after[first:] @ weights["W_ph"].T + weights["b_p"], -1)
        hot = torch.nn.functional.one_hot(wanted.long(), weights["b_p"].numel())
        error[first:] = (probability - hot) / wanted.numel()
        from_output = error @ weights["W_ph"]
        delta = torch.empty_like(after)
        behind = torch.zeros_like(after[0])
        for t in range(steps - 1, -1, -1):
            behind = (1 - after[t] ** 2) * (from_output[t] + behind @ weights["W_hh"])
            delta[t] = behind
        gradients = {
            "W_hx": torch.einsum("tbi,btj->ij", delta, inputs),
            "W_hh": torch.einsum("tbi,tbj->ij", delta, states[:-1]),
            "W_ph": torch.einsum("tbi,tbj->ij", error, after),
            "b_h": delta.sum((0, 1)),
            "b_p": error.sum((0, 1)),
        }
        if per_step:
            gradients["W_hh_per_step"] = torch.einsum("tbi,tbj->tij", delta, states[:-1])
        return gradients
