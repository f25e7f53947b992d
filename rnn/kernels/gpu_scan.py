"""Recurrent layers that cuDNN has not, over all steps on a GPU: peepholes, layer normalisation, zoneout.

The products of all inputs are one. A step is the product of the state and a kernel for all that is pointwise, forward
and back (triton_steps.py), and the loop over the steps a CUDA graph where shapes repeat. The gradients of the weights
are products over all steps after the loop.

Each step finds its state in rows of its own, those of sequences that enter at it filled beforehand.
"""

from collections.abc import Sequence
from functools import cache, partial
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import layer_norm, linear

from graphreel.core.guard import Guard, on_device, runs_triton

from ..cells import (
    Cell,
    State,
    Weights,
    gru_torch_cell,
    lstm_cell,
    peephole_gers_cell,
    peephole_uva_cell,
    rnn_relu_cell,
    rnn_tanh_cell,
)
from ..sequence.batch_schedule import BatchSchedule
from ..sequence.scan import plain_scan
from .cuda_graphs import GRAPHS

_KINDS: dict[Cell, str] = {
    lstm_cell: "lstm", peephole_gers_cell: "lstm", peephole_uva_cell: "lstm", gru_torch_cell: "gru",
    rnn_tanh_cell: "rnn", rnn_relu_cell: "rnn",
}  # fmt: skip
_WIDEST = 4096  # units: a program holds a sequence's step in its registers
_EPS = 1e-5  # torch.nn's


class _Form(NamedTuple):
    """What else than shapes a loop depends on."""

    kind: str
    counts: tuple[int, ...]
    by_memory: bool  # whether c enters the product in h's place
    zoneout: int
    rate: float
    flags: tuple[tuple[str, bool], ...]

    @property
    def starts(self) -> list[int]:
        """The row at which each step finds its state, and that at which the last one leaves it."""
        return [0, *accumulate(self.counts)]

    def entering(self) -> list[tuple[slice, slice]]:
        """For each step with new sequences their rows, and their places in the batch."""
        found, before = [], 0
        for start, count in zip(self.starts, self.counts, strict=False):
            if count > before:
                found.append((slice(start + before, start + count), slice(before, count)))
            before = count
        return found


def gpu_scan_serves(
    cell: Cell, x: Tensor, schedule: BatchSchedule, initial: State, weights: Weights, drop: Tensor | None
) -> bool:
    """Whether this scan can be taken here, on a device where the kernels agree with the plain loop."""
    tensors = (x, *initial, *weights.values())
    if cell not in _KINDS or drop is not None or schedule.forks or "weight_hr" in weights or x.numel() == 0:
        return False
    if (cell is peephole_uva_cell and "norm_ih" in weights) or initial[0].size(1) > _WIDEST:
        return False
    if any(t.dtype != torch.float32 or t.device != x.device or t.layout != torch.strided for t in tensors):
        return False
    return runs_triton(x.device) and STEP.passes(x.device)


def gpu_scan(
    cell: Cell, x: Tensor, schedule: BatchSchedule, initial: State, weights: Weights, zoneout: tuple[float, bool]
) -> tuple[Tensor, State]:
    """What `plain_scan` gives (see graphreel.rnn.sequence.scan); it can be differentiated once, as by cuDNN."""
    (h, *rest), (rate, training), hidden = initial, zoneout, initial[0].size(1)
    kind = _KINDS[cell]
    # the shift of the state's product is one more of the inputs', but for a GRU, whose r multiplies it
    names = ("bias_ih",) if kind == "gru" else ("bias_ih", "bias_hh")
    biases = [weights[name] for name in names if name in weights]
    bias = torch.stack(biases).sum(0) if biases else None
    gain, norm_c, bias_c = (weights.get(name) for name in ("norm_ih", "norm_c", "bias_c"))
    weight = weights["weight_ih"]
    a = linear(x, weight, bias) if gain is None else layer_norm(linear(x, weight), gain.shape, gain, bias)
    if norm_c is not None and bias_c is None:
        bias_c = torch.zeros_like(norm_c)
    if "weight_ch" in weights:  # nothing recurs into the candidates
        i_f, o = weights["weight_ch"].split((2 * hidden, hidden))
        recurrent = torch.cat((i_f, i_f.new_zeros(hidden, hidden), o))
    else:
        recurrent = weights["weight_hh"]
    keep: Sequence[Tensor | None] = (None, None)
    if rate and training:
        keep = (torch.rand(2, len(x), hidden, device=x.device) < rate).to(x.dtype).unbind()
    mode = 0 if rate == 0 else 1 if training else 2
    flags: dict[str, bool] = {}
    if kind == "lstm":
        flags = {"PEEPHOLES": "weight_peephole" in weights, "SIGMOID": "weight_ch" in weights, "NORM": gain is not None}
    elif kind == "rnn":
        flags = {"RELU": cell is rnn_relu_cell}
    form = _Form(kind, schedule.counts, "weight_ch" in weights, mode, float(rate), tuple(flags.items()))
    shift = weights.get("bias_hh") if kind == "gru" else None
    parts = (recurrent, shift, weights.get("norm_hh"), weights.get("weight_peephole"), norm_c, bias_c, *keep)
    c = rest[0] if rest else h[:, :0]
    y, *final = _Scan.apply(form, a, h, c, *parts)
    return y, tuple(final[: len(initial)])


class _Scan(Function):
    @staticmethod
    def forward(ctx: Any, form: _Form, *given: Tensor | None) -> tuple[Tensor, ...]:
        given = tuple(None if part is None else part.contiguous() for part in given)
        gates, all_h, all_c, *normed = GRAPHS.run(("forward", form), partial(_forward, form), *given)
        ctx.form = form
        ctx.save_for_backward(*given[3:], gates, all_h, all_c, *normed)
        rows = form.starts[-1]
        y = torch.cat([all_h[end : end + end - start] for start, end in pairwise(form.starts)])
        return y, all_h[rows:].clone(), all_c[rows:].clone()

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        form: _Form = ctx.form
        saved = ctx.saved_tensors
        recurrent, shift, norm_hh, peephole, norm_c, bias_c, keep_h, keep_c, gates, all_h, all_c, *normed = saved
        rows, hidden = form.starts[-1], all_h.size(1)
        others = (recurrent, norm_hh, peephole, norm_c, bias_c, keep_h, keep_c, *normed)
        given = (*(grad.contiguous() for grad in grads), gates, all_h, all_c, *others)
        da, d_shifted, dq, dv, all_dh, all_dc = GRAPHS.run(("backward", form), partial(_backward, form), *given)
        # a gradient stands where the tensor it is of was given
        found: dict[str, Tensor] = {"recurrent": dq.t() @ (all_c if form.by_memory else all_h)[:rows]}
        if shift is not None:
            found["shift"] = d_shifted.sum(0)
        if norm_hh is not None:
            found["norm_hh"] = (d_shifted * layer_norm(normed[0], norm_hh.shape)).sum(0)
        if peephole is not None or norm_c is not None:
            i, f, g, _ = gates.split(hidden, 1)
            made = f * all_c[:rows] + i * g
        if peephole is not None:
            d_i, d_f, _, d_o = da.split(hidden, 1)
            seen = ((d_i, all_c[:rows]), (d_f, all_c[:rows]), (d_o, made))
            found["peephole"] = torch.stack([(d * c).sum(0) for d, c in seen])
        if norm_c is not None:
            found["norm_c"], found["bias_c"] = (dv * layer_norm(made, norm_c.shape)).sum(0), dv.sum(0)
        d_initial = [torch.cat([part[new] for new, _ in form.entering()]) for part in (all_dh, all_dc)]
        names = ("recurrent", "shift", "norm_hh", "peephole", "norm_c", "bias_c")
        return None, da, *d_initial, *map(found.get, names), None, None


def _forward(form: _Form, *given: Any) -> list[Tensor]:
    """What the way back reads of all steps, the states that enter each and leave the last, and normalised products."""
    a, h, c, recurrent, shift, norm_hh, *constant, keep_h, keep_c = given
    rows, batch, hidden = form.starts[-1], form.counts[-1], h.size(1)
    all_h, all_c = h.new_empty(rows + batch, hidden), c.new_empty(rows + batch, c.size(1))
    for new, places in form.entering():
        all_h[new], all_c[new] = h[places], c[places]
    gates = a.new_empty(rows, hidden if form.kind == "rnn" else 4 * hidden)
    products = []
    for start, end in pairwise(form.starts):
        now, after = slice(start, end), slice(end, end + end - start)
        q = torch.mm((all_c if form.by_memory else all_h)[now], recurrent.t())
        if norm_hh is not None:
            products.append((q, *torch.native_layer_norm(q, norm_hh.shape, norm_hh, shift, _EPS)))
            q = products[-1][1]
        elif shift is not None:
            q += shift
        kept = (None, None) if keep_h is None else (keep_h[now], keep_c[now])
        read = (a[now], q, all_c[now], all_h[now], *constant, *kept)
        _launch("forward", form, hidden, *read, gates[now], all_c[after], all_h[after])
    normed = [torch.cat([step[part] for step in products]) for part in (0, 2, 3)] if products else []
    return [gates, all_h, all_c, *normed]


def _backward(form: _Form, *given: Any) -> list[Tensor]:
    """The gradients of a, q after and before it is normalised, what tanh is taken of, and the states entering steps."""
    d_y, d_h, d_c, gates, all_h, all_c, recurrent, norm_hh, *constant, keep_h, keep_c = given[:13]
    normed, rows = given[13:], form.starts[-1]
    all_dh, all_dc = torch.zeros_like(all_h), torch.empty_like(all_c)
    da, dv = gates.new_empty(rows, recurrent.size(0)), torch.empty_like(d_y if constant[1] is not None else d_y[:0])
    d_shifted = torch.empty_like(da) if form.kind == "gru" else da
    dq = d_shifted if norm_hh is None else torch.empty_like(da)
    all_dh[rows:], all_dc[rows:] = d_h, d_c
    for start, end in reversed(list(pairwise(form.starts))):
        now, after = slice(start, end), slice(end, end + end - start)
        kept = (None, None) if keep_h is None else (keep_h[now], keep_c[now])
        read = (d_y[now], all_dh[after], all_dc[after], gates[now], all_c[now], all_h[now], *constant, *kept)
        _launch("backward", form, d_y.size(1), *read, da[now], d_shifted[now], dv[now], all_dh[now], all_dc[now])
        if norm_hh is not None:
            q, *moments = (part[now] for part in normed)
            of_q = (d_shifted[now], q, norm_hh.shape, *moments, norm_hh, None, [True, False, False])
            dq[now] = torch.ops.aten.native_layer_norm_backward(*of_q)[0]
        (all_dc if form.by_memory else all_dh)[now].addmm_(dq[now], recurrent)
    return [da, d_shifted, dq, dv, all_dh, all_dc]


def _launch(way: str, form: _Form, hidden: int, *given: Tensor | None) -> None:
    """Run a kernel with a program for each sequence under way."""
    first = given[0]
    assert first is not None
    block = max(16, 1 << (hidden - 1).bit_length())
    options = {"H": hidden, "RATE": form.rate, "ZONEOUT": form.zoneout, "BLOCK": block, **dict(form.flags)}
    options |= {"EPS": _EPS} if form.kind == "lstm" else {}
    # a kernel reads no tensor that is missing, but wants an address
    held = [first if part is None or part.numel() == 0 else part for part in given]
    with on_device(first.device):
        launch = kernels()[f"{form.kind}_{way}"][(len(first),)]
        launch(*held, **options, num_warps=max(1, min(8, block // 128)), enable_fp_fusion=True)


@cache
def kernels() -> dict[str, Any]:
    """The kernels by name; importing Triton takes a while, and it is not everywhere."""
    from . import triton_steps

    names = (f"{kind}_{way}" for kind in ("lstm", "gru", "rnn") for way in ("forward", "backward"))
    return {name: getattr(triton_steps, name) for name in names}


def _check(device: torch.device) -> tuple[list[Tensor], list[Tensor]]:
    """What the kernels and the plain loop give for each cell, twice, so that the second time is a CUDA graph's."""
    generator, inputs, hidden = torch.Generator("cpu").manual_seed(0), 3, 5
    schedule = BatchSchedule((1, 2))

    def draw(*shape: int) -> Tensor:
        # whatever the caller's defaults are
        drawn = torch.randn(shape, generator=generator, device="cpu", dtype=torch.float32)
        return drawn.to(device).requires_grad_()

    results: tuple[list[Tensor], list[Tensor]] = ([], [])
    for cell, kind in _KINDS.items():
        gates = {"lstm": 4, "gru": 3, "rnn": 1}[kind]
        norm = cell in (lstm_cell, gru_torch_cell)
        weights = {"weight_ih": draw(gates * hidden, inputs), "weight_hh": draw(gates * hidden, hidden)}
        weights |= {name: draw(gates * hidden) for name in ("bias_ih", "bias_hh", *(("norm_ih", "norm_hh") * norm))}
        if cell is peephole_uva_cell:
            weights["weight_ch"] = draw(3 * hidden, hidden)
            del weights["weight_hh"]
        if cell is peephole_gers_cell:
            weights["weight_peephole"] = draw(3, hidden)
        if cell is lstm_cell:
            weights |= {name: draw(hidden) for name in ("norm_c", "bias_c")}
        x, state = draw(schedule.rows, inputs), tuple(draw(2, hidden) for _ in range(1 + (kind == "lstm")))
        given, leaves = (cell, x, schedule, state, weights), [x, *state, *weights.values()]
        zoneout = 0.3 if norm else 0.0
        for _ in range(2):
            y, final = gpu_scan(*given, (zoneout, False))
            plain, plain_final = plain_scan(*given, None, (zoneout, False))
            for found, outs in zip(results, ([y, *final], [plain, *plain_final]), strict=True):
                grads = torch.autograd.grad([out.sin().sum() for out in outs], leaves, materialize_grads=True)
                found += [*(out.detach() for out in outs), *grads]
    return results


STEP = Guard("the fused kernel of a recurrent step", "the plain loop", _check)
