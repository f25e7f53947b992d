"""Recurrent cells: one pure step each, from (x_t, state at t-1, weights) to (state at t, gates at t).

`x` is [N, I], every part of the state [N, H]; `state[0]` is the step's output h. `weights` maps the names of torch.nn
(`weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`, without the layer's suffix) to tensors; biases may be missing. `drop`,
where given, is a mask [N, H] that multiplies the state where it enters a product: the recurrent (variational) dropout
of Gal and Ghahramani (2016), one mask for all steps of a sequence. Gates are returned by name so that they can be seen.

With `norm_ih`, `norm_hh` (uva: `norm_ch`) and `norm_c` among the weights, the two products of a step, and the memory on
its way to h, are normalised over their features (Ba et al., 2016, "Layer Normalization"): the first are the gains, the
biases (`bias_ih`, `bias_hh`, `bias_c`) their shifts.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

State = tuple[Tensor, ...]
Weights = Mapping[str, Tensor]
Gates = dict[str, Tensor]
Cell = Callable[[Tensor, State, Weights, Tensor | None], tuple[State, Gates]]


def _dropped(h: Tensor, drop: Tensor | None) -> Tensor:
    return h if drop is None else h * drop


def _product(x: Tensor, weights: Weights, which: str) -> Tensor:
    weight, bias, gain = weights[f"weight_{which}"], weights.get(f"bias_{which}"), weights.get(f"norm_{which}")
    return linear(x, weight, bias) if gain is None else layer_norm(linear(x, weight), gain.shape, gain, bias)


def _squashed(c: Tensor, weights: Weights) -> Tensor:
    gain = weights.get("norm_c")
    return torch.tanh(c if gain is None else layer_norm(c, gain.shape, gain, weights.get("bias_c")))


def rnn_tanh_cell(x: Tensor, state: State, weights: Weights, drop: Tensor | None = None) -> tuple[State, Gates]:
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)."""
    h = torch.tanh(_product(x, weights, "ih") + _product(_dropped(state[0], drop), weights, "hh"))
    return (h,), {}


def rnn_relu_cell(x: Tensor, state: State, weights: Weights, drop: Tensor | None = None) -> tuple[State, Gates]:
    """h_t = max(0, W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)."""
    h = torch.relu(_product(x, weights, "ih") + _product(_dropped(state[0], drop), weights, "hh"))
    return (h,), {}


def lstm_cell(x: Tensor, state: State, weights: Weights, drop: Tensor | None = None) -> tuple[State, Gates]:
    """Hochreiter and Schmidhuber (1997) with the forget gate of Gers et al. (2000); weights stacked as i, f, g, o.

    i, f, o = sigmoid(W x_t + U h_{t-1} + b),  g = tanh(W_g x_t + U_g h_{t-1} + b_g),
    c_t = f * c_{t-1} + i * g,  h_t = o * tanh(c_t);
    with `weight_hr` [P, H] among the weights  h_t = W_hr (o * tanh(c_t)) (Sak et al., 2014).
    """
    h, c = state
    z_i, z_f, z_g, z_o = (_product(x, weights, "ih") + _product(_dropped(h, drop), weights, "hh")).chunk(4, dim=1)
    i, f, g, o = torch.sigmoid(z_i), torch.sigmoid(z_f), torch.tanh(z_g), torch.sigmoid(z_o)
    c = f * c + i * g
    h = o * _squashed(c, weights)
    h = linear(h, weights["weight_hr"]) if "weight_hr" in weights else h
    return (h, c), {"i": i, "f": f, "g": g, "o": o}


def peephole_gers_cell(x: Tensor, state: State, weights: Weights, drop: Tensor | None = None) -> tuple[State, Gates]:
    """Gers, Schraudolph and Schmidhuber (2002): the LSTM whose gates also see the memory, through diagonal weights.

    i, f = sigmoid(W x_t + U h_{t-1} + p * c_{t-1} + b),  o = sigmoid(W_o x_t + U_o h_{t-1} + p_o * c_t + b_o);
    `weight_peephole` [3, H] holds p_i, p_f, p_o. Note the new memory c_t in o.
    """
    h, c = state
    p_i, p_f, p_o = weights["weight_peephole"].unbind()
    z_i, z_f, z_g, z_o = (_product(x, weights, "ih") + _product(_dropped(h, drop), weights, "hh")).chunk(4, dim=1)
    i, f, g = torch.sigmoid(z_i + p_i * c), torch.sigmoid(z_f + p_f * c), torch.tanh(z_g)
    c = f * c + i * g
    o = torch.sigmoid(z_o + p_o * c)
    return (o * _squashed(c, weights), c), {"i": i, "f": f, "g": g, "o": o}


def peephole_uva_cell(x: Tensor, state: State, weights: Weights, drop: Tensor | None = None) -> tuple[State, Gates]:
    """The report's peephole LSTM: c_{t-1} takes the place of h_{t-1} in the gates, h never recurs.

    i, f, o = sigmoid(W x_t + V c_{t-1} + b),  g = sigmoid(W_g x_t + b_g),
    c_t = f * c_{t-1} + i * g,  h_t = o * tanh(c_t);
    `weight_ch` [3H, H] stacks V for i, f, o; `weight_ih` and the biases stack i, f, g, o.
    """
    _, c = state
    z = _product(x, weights, "ih")
    if "bias_hh" in weights:
        z = z + weights["bias_hh"]
    z_i, z_f, z_g, z_o = z.chunk(4, dim=1)
    v_i, v_f, v_o = _product(_dropped(c, drop), weights, "ch").chunk(3, dim=1)
    i, f, g, o = torch.sigmoid(z_i + v_i), torch.sigmoid(z_f + v_f), torch.sigmoid(z_g), torch.sigmoid(z_o + v_o)
    c = f * c + i * g
    return (o * _squashed(c, weights), c), {"i": i, "f": f, "g": g, "o": o}


def gru_torch_cell(x: Tensor, state: State, weights: Weights, drop: Tensor | None = None) -> tuple[State, Gates]:
    """Cho et al. (2014) in the form of torch.nn.GRU; weights stacked as r, z, n.

    r, z = sigmoid(W x_t + b + U h_{t-1} + b'),  n = tanh(W_n x_t + b_n + r * (U_n h_{t-1} + b'_n)),
    h_t = (1 - z) * n + z * h_{t-1}.
    """
    (h,) = state
    x_r, x_z, x_n = _product(x, weights, "ih").chunk(3, dim=1)
    h_r, h_z, h_n = _product(_dropped(h, drop), weights, "hh").chunk(3, dim=1)
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + r * h_n)
    return ((1 - z) * n + z * h,), {"r": r, "z": z, "n": n}


def gru_uva_cell(x: Tensor, state: State, weights: Weights, drop: Tensor | None = None) -> tuple[State, Gates]:
    """The GRU of the report's course, which is the one of Cho et al.; weights stacked as r, z, n.

    r, z = sigmoid(W x_t + b + U h_{t-1} + b'),  n = tanh(W_n x_t + b_n + U_n (r * h_{t-1}) + b'_n),
    h_t = (1 - z) * h_{t-1} + z * n. Against torch's form: r acts before U_n, and z has the opposite meaning.
    """
    (h,) = state
    size = h.shape[1]
    dropped = _dropped(h, drop)
    recurrent = {name: weight for name, weight in weights.items() if name.endswith("hh")}
    of_rz = {name: weight[: 2 * size] for name, weight in recurrent.items()}
    of_n = {name: weight[2 * size :] for name, weight in recurrent.items()}
    x_r, x_z, x_n = _product(x, weights, "ih").chunk(3, dim=1)
    h_r, h_z = _product(dropped, of_rz, "hh").chunk(2, dim=1)
    r, z = torch.sigmoid(x_r + h_r), torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + _product(r * dropped, of_n, "hh"))
    return ((1 - z) * h + z * n,), {"r": r, "z": z, "n": n}
