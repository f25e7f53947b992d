"""LSTMs that cuDNN has not, over all steps on a GPU: peepholes, layer normalisation, zoneout.

The products of all inputs are one. A step is the product of the state and a kernel for all that is pointwise, forward
and back (triton_lstm.py), and the loop over the steps a CUDA graph where shapes repeat. The gradients of the weights
are products over all steps after the loop.

Each step finds its state in rows of its own, those of sequences that enter at it filled beforehand.
"""

from collections.abc import Sequence
from functools import cache, partial
from importlib.util import find_spec
from itertools import accumulate, pairwise
from os import environ
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import layer_norm, linear

from graphreel.core.guard import Guard, on_device

from ..cells import Cell, State, Weights, lstm_cell, peephole_gers_cell, peephole_uva_cell
from ..sequence.batch_schedule import BatchSchedule
from ..sequence.scan import plain_scan
from .cuda_graphs import GRAPHS

_CELLS = (lstm_cell, peephole_gers_cell, peephole_uva_cell)
_WIDEST = 4096  # units: a program holds a sequence's step in its registers
_EPS = 1e-5  # torch.nn's


class _Form(NamedTuple):
    """What else than shapes a loop depends on."""

    counts: tuple[int, ...]
    sigmoid: bool
    peepholes: bool
    norm: bool
    zoneout: int
    rate: float

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
    """Whether this scan can be taken here, on a device where the kernels agree with the plain loop.

    On a CPU they run under Triton's interpreter alone, where TRITON_INTERPRET=1 was set before Triton was imported.
    """
    kind, tensors = x.device.type, (x, *initial, *weights.values())
    if cell not in _CELLS or drop is not None or schedule.forks or "weight_hr" in weights or x.numel() == 0:
        return False
    if (cell is peephole_uva_cell and "norm_ih" in weights) or initial[0].size(1) > _WIDEST:
        return False
    if any(t.dtype != torch.float32 or t.device != x.device or t.layout != torch.strided for t in tensors):
        return False
    there = find_spec("triton") is not None and (kind == "cuda" or environ.get("TRITON_INTERPRET") == "1")
    return there and LSTM_STEP.passes(x.device)


def gpu_scan(
    cell: Cell, x: Tensor, schedule: BatchSchedule, initial: State, weights: Weights, zoneout: tuple[float, bool]
) -> tuple[Tensor, State]:
    """What `plain_scan` gives (see graphreel.rnn.sequence.scan); it can be differentiated once, as by cuDNN."""
    (h, c), (rate, training), hidden = initial, zoneout, initial[0].size(1)
    biases = [weights[name] for name in ("bias_ih", "bias_hh") if name in weights]
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
    form = _Form(
        schedule.counts, cell is peephole_uva_cell, "weight_peephole" in weights, norm_c is not None, mode, rate
    )
    parts = (weights.get("weight_peephole"), weights.get("norm_hh"), norm_c, bias_c, *keep)
    y, h, c = _Scan.apply(form, a, h, c, recurrent, *parts)
    return y, (h, c)


class _Scan(Function):
    @staticmethod
    def forward(ctx: Any, form: _Form, *given: Tensor | None) -> tuple[Tensor, ...]:
        given = tuple(None if part is None else part.contiguous() for part in given)
        gates, all_h, all_c, q = GRAPHS.run(("forward", form), partial(_forward, form), *given)
        ctx.form = form
        ctx.save_for_backward(*given[3:], gates, all_h, all_c, q)
        ends = pairwise(form.starts)
        after = [all_h[end : end + end - start] for start, end in ends]
        rows = form.starts[-1]
        return torch.cat(after), all_h[rows:].clone(), all_c[rows:].clone()

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        form: _Form = ctx.form
        recurrent, peephole, norm_hh, norm_c, bias_c, keep_h, keep_c, gates, all_h, all_c, q = ctx.saved_tensors
        d_y, d_h, d_c = (grad.contiguous() for grad in grads)
        rows, hidden = form.starts[-1], all_h.size(1)
        given = (d_y, d_h, d_c, gates, all_c, q, recurrent, peephole, norm_hh, norm_c, bias_c, keep_h, keep_c)
        dz, all_dh, all_dc, *normed = GRAPHS.run(("backward", form), partial(_backward, form), *given)
        dq, dv = normed or (dz, dz)
        d_recurrent = dq.t() @ (all_c if form.sigmoid else all_h)[:rows]
        d_peephole = d_norm_hh = d_norm_c = d_bias_c = None
        if form.peepholes or form.norm:
            i, f, g, _ = gates.split(hidden, 1)
            made = f * all_c[:rows] + i * g
        if form.peepholes:
            seen = (all_c[:rows], all_c[:rows], made)
            of_gates = (dz[:, :hidden], dz[:, hidden : 2 * hidden], dz[:, 3 * hidden :])
            d_peephole = torch.stack([(d * c).sum(0) for d, c in zip(of_gates, seen, strict=True)])
        if form.norm:
            d_norm_hh = (dz * layer_norm(q, norm_hh.shape)).sum(0)
            d_norm_c, d_bias_c = (dv * layer_norm(made, norm_c.shape)).sum(0), dv.sum(0)
        d_initial = [torch.cat([part[new] for new, _ in form.entering()]) for part in (all_dh, all_dc)]
        return None, dz, *d_initial, d_recurrent, d_peephole, d_norm_hh, d_norm_c, d_bias_c, None, None


def _forward(form: _Form, *given: Any) -> list[Tensor]:
    """The gates of all steps, the states that enter each and leave the last, and the products that are normalised."""
    a, h, c, recurrent, peephole, norm_hh, norm_c, bias_c, keep_h, keep_c = given
    rows, batch = form.starts[-1], form.counts[-1]
    all_h, all_c = h.new_empty(rows + batch, h.size(1)), c.new_empty(rows + batch, c.size(1))
    for new, places in form.entering():
        all_h[new], all_c[new] = h[places], c[places]
    gates, q = torch.empty_like(a), a.new_empty(rows if form.norm else batch, a.size(1))
    for start, end in pairwise(form.starts):
        now, after = slice(start, end), slice(end, end + end - start)
        product = q[now] if form.norm else q[: end - start]
        torch.mm((all_c if form.sigmoid else all_h)[now], recurrent.t(), out=product)
        kept = (None, None) if keep_h is None else (keep_h[now], keep_c[now])
        read = (a[now], product, all_c[now], all_h[now], peephole, norm_hh, norm_c, bias_c, *kept)
        _launch("forward", form, read, gates[now], all_c[after], all_h[after])
    return [gates, all_h, all_c, q]


def _backward(form: _Form, *given: Any) -> list[Tensor]:
    """The gradients of z, of the states that enter each step, and of q and what tanh is taken of, where normalised."""
    d_y, d_h, d_c, gates, all_c, q, recurrent, peephole, norm_hh, norm_c, bias_c, keep_h, keep_c = given
    rows = form.starts[-1]
    all_dh, all_dc, dz = torch.zeros_like(all_c), torch.empty_like(all_c), torch.empty_like(gates)
    dq, dv = (torch.empty_like(gates), torch.empty_like(d_y)) if form.norm else (dz, dz)
    all_dh[rows:], all_dc[rows:] = d_h, d_c
    for start, end in reversed(list(pairwise(form.starts))):
        now, after = slice(start, end), slice(end, end + end - start)
        kept = (None, None) if keep_h is None else (keep_h[now], keep_c[now])
        read = (d_y[now], all_dh[after], all_dc[after], gates[now], q[now] if form.norm else None, all_c[now])
        written = (dz[now], dq[now], dv[now], all_dh[now], all_dc[now])
        _launch("backward", form, (*read, peephole, norm_hh, norm_c, bias_c, *kept), *written)
        (all_dc if form.sigmoid else all_dh)[now].addmm_(dq[now], recurrent)
    return [dz, all_dh, all_dc, *((dq, dv) if form.norm else ())]


def _launch(name: str, form: _Form, read: Sequence[Tensor | None], *written: Tensor) -> None:
    """Run a kernel with a program for each sequence under way."""
    first = written[0]
    hidden = first.size(1) // 4
    block = max(16, 1 << (hidden - 1).bit_length())
    options = {"H": hidden, "RATE": form.rate, "PEEPHOLES": form.peepholes, "SIGMOID": form.sigmoid}
    options |= {"NORM": form.norm, "ZONEOUT": form.zoneout, "EPS": _EPS, "BLOCK": block}
    # a kernel reads no tensor that is missing, but wants an address
    given = [first if part is None else part for part in (*read, *written)]
    with on_device(first.device):
        launch = kernels()[name][(len(first),)]
        launch(*given, **options, num_warps=max(1, min(8, block // 128)), enable_fp_fusion=True)


@cache
def kernels() -> dict[str, Any]:
    """The kernels by name; importing Triton takes a while, and it is not everywhere."""
    from . import triton_lstm

    return {"forward": triton_lstm.forward, "backward": triton_lstm.backward}


def _check(device: torch.device) -> tuple[list[Tensor], list[Tensor]]:
    """What the kernels and the plain loop give for each cell, twice, so that the second time is a CUDA graph's."""
    generator, inputs, hidden = torch.Generator().manual_seed(0), 3, 5
    schedule = BatchSchedule((1, 2))

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device).requires_grad_()

    results: tuple[list[Tensor], list[Tensor]] = ([], [])
    for cell, norm, zoneout in ((_CELLS[0], True, 0.3), (_CELLS[1], False, 0.0), (_CELLS[2], False, 0.0)):
        weights = {"weight_ih": draw(4 * hidden, inputs), "bias_ih": draw(4 * hidden), "bias_hh": draw(4 * hidden)}
        weights |= {"weight_ch": draw(3 * hidden, hidden)} if cell is _CELLS[2] else {"weight_hh": draw(4 * hidden, 5)}
        if cell is _CELLS[1]:
            weights["weight_peephole"] = draw(3, hidden)
        if norm:
            weights |= {name: draw(4 * hidden) for name in ("norm_ih", "norm_hh")}
            weights |= {name: draw(hidden) for name in ("norm_c", "bias_c")}
        x, state = draw(schedule.rows, inputs), (draw(2, hidden), draw(2, hidden))
        given, leaves = (cell, x, schedule, state, weights), [x, *state, *weights.values()]
        for _ in range(2):
            y, final = gpu_scan(*given, (zoneout, False))
            plain, plain_final = plain_scan(*given, None, (zoneout, False))
            for found, outs in zip(results, ([y, *final], [plain, *plain_final]), strict=True):
                grads = torch.autograd.grad([out.sin().sum() for out in outs], leaves, materialize_grads=True)
                found += [*(out.detach() for out in outs), *grads]
    return results


LSTM_STEP = Guard("the fused kernel of an LSTM's step", "the plain loop", _check)
