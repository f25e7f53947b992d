"""The pointwise part of a recurrent step on a GPU, in Triton: a program per sequence, forward and back.

The product of the inputs, a, and that of the state, q, are given with their shifts. ZONEOUT 1 keeps the units that
masks say, 2 takes the expectation; RATE is its probability. All kernels take the same arguments, and read those that
their cell has. The way back leaves out what goes through q.
"""
# mypy: ignore-errors
# it is Triton's language below, with Python's grammar

import triton
import triton.language as tl


@triton.jit
def _kept(mask, at, there, RATE: tl.constexpr, ZONEOUT: tl.constexpr):
    """How much of the old state stays."""
    kept = RATE
    if ZONEOUT == 1:
        kept = tl.load(mask + at, mask=there, other=0.0)
    return kept


@triton.jit
def lstm_forward(a, q, c, h, peephole, norm_c, bias_c, keep_h, keep_c, gates, new_c, new_h, H: tl.constexpr,
                 RATE: tl.constexpr, PEEPHOLES: tl.constexpr, SIGMOID: tl.constexpr, NORM: tl.constexpr,
                 ZONEOUT: tl.constexpr, EPS: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """Gates i, f, g, o; PEEPHOLES are Gers' diagonal weights, SIGMOID the report's candidate, NORM is that of c."""
    row = tl.program_id(0).to(tl.int64)
    col = tl.arange(0, BLOCK)
    there = col < H
    at, first = row * H + col, row * 4 * H + col
    old_c = tl.load(c + at, mask=there, other=0.0)
    z_i = tl.load(a + first, mask=there, other=0.0) + tl.load(q + first, mask=there, other=0.0)
    z_f = tl.load(a + first + H, mask=there, other=0.0) + tl.load(q + first + H, mask=there, other=0.0)
    z_g = tl.load(a + first + 2 * H, mask=there, other=0.0) + tl.load(q + first + 2 * H, mask=there, other=0.0)
    z_o = tl.load(a + first + 3 * H, mask=there, other=0.0) + tl.load(q + first + 3 * H, mask=there, other=0.0)
    if PEEPHOLES:
        z_i += tl.load(peephole + col, mask=there, other=0.0) * old_c
        z_f += tl.load(peephole + H + col, mask=there, other=0.0) * old_c
    i, f = tl.sigmoid(z_i), tl.sigmoid(z_f)
    g = tl.sigmoid(z_g) if SIGMOID else 2.0 * tl.sigmoid(2.0 * z_g) - 1.0
    made = f * old_c + i * g
    if PEEPHOLES:
        z_o += tl.load(peephole + 2 * H + col, mask=there, other=0.0) * made
    o = tl.sigmoid(z_o)
    v = made
    if NORM:
        v = tl.where(there, made - tl.sum(tl.where(there, made, 0.0), 0) / H, 0.0)
        v = v / tl.sqrt(tl.sum(v * v, 0) / H + EPS) * tl.load(norm_c + col, mask=there, other=0.0)
        v += tl.load(bias_c + col, mask=there, other=0.0)
    out = o * (2.0 * tl.sigmoid(2.0 * v) - 1.0)
    if ZONEOUT:
        k_h = _kept(keep_h, at, there, RATE, ZONEOUT)
        k_c = _kept(keep_c, at, there, RATE, ZONEOUT)
        out = k_h * tl.load(h + at, mask=there, other=0.0) + (1.0 - k_h) * out
        made = k_c * old_c + (1.0 - k_c) * made
    tl.store(gates + first, i, mask=there)
    tl.store(gates + first + H, f, mask=there)
    tl.store(gates + first + 2 * H, g, mask=there)
    tl.store(gates + first + 3 * H, o, mask=there)
    tl.store(new_c + at, made, mask=there)
    tl.store(new_h + at, out, mask=there)


@triton.jit
def lstm_backward(d_y, d_new_h, d_new_c, gates, c, h, peephole, norm_c, bias_c, keep_h, keep_c, da, dq, dv, d_h, d_c,
                  H: tl.constexpr, RATE: tl.constexpr, PEEPHOLES: tl.constexpr, SIGMOID: tl.constexpr,
                  NORM: tl.constexpr, ZONEOUT: tl.constexpr, EPS: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """dv is the gradient of what tanh is taken of; that of q is that of a."""
    row = tl.program_id(0).to(tl.int64)
    col = tl.arange(0, BLOCK)
    there = col < H
    at, first = row * H + col, row * 4 * H + col
    i, f = tl.load(gates + first, mask=there, other=0.0), tl.load(gates + first + H, mask=there, other=0.0)
    g, o = tl.load(gates + first + 2 * H, mask=there, other=0.0), tl.load(gates + first + 3 * H, mask=there, other=0.0)
    old_c = tl.load(c + at, mask=there, other=0.0)
    through_h = tl.load(d_y + at, mask=there, other=0.0) + tl.load(d_new_h + at, mask=there, other=0.0)
    through_c = tl.load(d_new_c + at, mask=there, other=0.0)
    around_c = 0.0 * through_c
    if ZONEOUT:
        k_h = _kept(keep_h, at, there, RATE, ZONEOUT)
        k_c = _kept(keep_c, at, there, RATE, ZONEOUT)
        tl.store(d_h + at, k_h * through_h, mask=there)
        around_c = k_c * through_c
        through_h, through_c = (1.0 - k_h) * through_h, (1.0 - k_c) * through_c
    made = f * old_c + i * g
    v = made
    if NORM:
        n = tl.where(there, made - tl.sum(tl.where(there, made, 0.0), 0) / H, 0.0)
        scale = 1.0 / tl.sqrt(tl.sum(n * n, 0) / H + EPS)
        n = n * scale
        gain = tl.load(norm_c + col, mask=there, other=0.0)
        v = n * gain + tl.load(bias_c + col, mask=there, other=0.0)
    squashed = 2.0 * tl.sigmoid(2.0 * v) - 1.0
    d_v = through_h * o * (1.0 - squashed * squashed)
    if NORM:
        tl.store(dv + at, d_v, mask=there)
        d_n = d_v * gain
        d_v = scale * tl.where(there, d_n - tl.sum(d_n, 0) / H - n * (tl.sum(d_n * n, 0) / H), 0.0)
    through_c += d_v
    dz_o = through_h * squashed * o * (1.0 - o)
    if PEEPHOLES:
        through_c += dz_o * tl.load(peephole + 2 * H + col, mask=there, other=0.0)
    dz_i, dz_f = through_c * g * i * (1.0 - i), through_c * old_c * f * (1.0 - f)
    dz_g = through_c * i * g * (1.0 - g) if SIGMOID else through_c * i * (1.0 - g * g)
    around_c += through_c * f
    if PEEPHOLES:
        around_c += dz_i * tl.load(peephole + col, mask=there, other=0.0)
        around_c += dz_f * tl.load(peephole + H + col, mask=there, other=0.0)
    tl.store(d_c + at, around_c, mask=there)
    tl.store(da + first, dz_i, mask=there)
    tl.store(da + first + H, dz_f, mask=there)
    tl.store(da + first + 2 * H, dz_g, mask=there)
    tl.store(da + first + 3 * H, dz_o, mask=there)


@triton.jit
def gru_forward(a, q, c, h, peephole, norm_c, bias_c, keep_h, keep_c, gates, new_c, new_h, H: tl.constexpr,
                RATE: tl.constexpr, ZONEOUT: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """torch.nn's form; r, z, n and q_n are kept for the way back."""
    row = tl.program_id(0).to(tl.int64)
    col = tl.arange(0, BLOCK)
    there = col < H
    at, first, kept_at = row * H + col, row * 3 * H + col, row * 4 * H + col
    old = tl.load(h + at, mask=there, other=0.0)
    z_r = tl.load(a + first, mask=there, other=0.0) + tl.load(q + first, mask=there, other=0.0)
    z_z = tl.load(a + first + H, mask=there, other=0.0) + tl.load(q + first + H, mask=there, other=0.0)
    q_n = tl.load(q + first + 2 * H, mask=there, other=0.0)
    r, z = tl.sigmoid(z_r), tl.sigmoid(z_z)
    n = 2.0 * tl.sigmoid(2.0 * (tl.load(a + first + 2 * H, mask=there, other=0.0) + r * q_n)) - 1.0
    out = (1.0 - z) * n + z * old
    if ZONEOUT:
        k = _kept(keep_h, at, there, RATE, ZONEOUT)
        out = k * old + (1.0 - k) * out
    tl.store(gates + kept_at, r, mask=there)
    tl.store(gates + kept_at + H, z, mask=there)
    tl.store(gates + kept_at + 2 * H, n, mask=there)
    tl.store(gates + kept_at + 3 * H, q_n, mask=there)
    tl.store(new_h + at, out, mask=there)


@triton.jit
def gru_backward(d_y, d_new_h, d_new_c, gates, c, h, peephole, norm_c, bias_c, keep_h, keep_c, da, dq, dv, d_h, d_c,
                 H: tl.constexpr, RATE: tl.constexpr, ZONEOUT: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    col = tl.arange(0, BLOCK)
    there = col < H
    at, first, kept_at = row * H + col, row * 3 * H + col, row * 4 * H + col
    r, z = tl.load(gates + kept_at, mask=there, other=0.0), tl.load(gates + kept_at + H, mask=there, other=0.0)
    n = tl.load(gates + kept_at + 2 * H, mask=there, other=0.0)
    q_n = tl.load(gates + kept_at + 3 * H, mask=there, other=0.0)
    d = tl.load(d_y + at, mask=there, other=0.0) + tl.load(d_new_h + at, mask=there, other=0.0)
    around = 0.0 * d
    if ZONEOUT:
        k = _kept(keep_h, at, there, RATE, ZONEOUT)
        around = k * d
        d = (1.0 - k) * d
    d_n = d * (1.0 - z) * (1.0 - n * n)
    d_r = d_n * q_n * r * (1.0 - r)
    d_z = d * (tl.load(h + at, mask=there, other=0.0) - n) * z * (1.0 - z)
    tl.store(d_h + at, around + d * z, mask=there)
    tl.store(da + first, d_r, mask=there)
    tl.store(da + first + H, d_z, mask=there)
    tl.store(da + first + 2 * H, d_n, mask=there)
    tl.store(dq + first, d_r, mask=there)
    tl.store(dq + first + H, d_z, mask=there)
    tl.store(dq + first + 2 * H, d_n * r, mask=there)


@triton.jit
def rnn_forward(a, q, c, h, peephole, norm_c, bias_c, keep_h, keep_c, gates, new_c, new_h, H: tl.constexpr,
                RATE: tl.constexpr, RELU: tl.constexpr, ZONEOUT: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    col = tl.arange(0, BLOCK)
    there = col < H
    at = row * H + col
    z = tl.load(a + at, mask=there, other=0.0) + tl.load(q + at, mask=there, other=0.0)
    out = tl.where(z > 0, z, 0.0) if RELU else 2.0 * tl.sigmoid(2.0 * z) - 1.0
    tl.store(gates + at, out, mask=there)
    if ZONEOUT:
        k = _kept(keep_h, at, there, RATE, ZONEOUT)
        out = k * tl.load(h + at, mask=there, other=0.0) + (1.0 - k) * out
    tl.store(new_h + at, out, mask=there)


@triton.jit
def rnn_backward(d_y, d_new_h, d_new_c, gates, c, h, peephole, norm_c, bias_c, keep_h, keep_c, da, dq, dv, d_h, d_c,
                 H: tl.constexpr, RATE: tl.constexpr, RELU: tl.constexpr, ZONEOUT: tl.constexpr,
                 BLOCK: tl.constexpr):  # fmt: skip
    """The gradient of q is that of a."""
    row = tl.program_id(0).to(tl.int64)
    col = tl.arange(0, BLOCK)
    there = col < H
    at = row * H + col
    out = tl.load(gates + at, mask=there, other=0.0)
    d = tl.load(d_y + at, mask=there, other=0.0) + tl.load(d_new_h + at, mask=there, other=0.0)
    if ZONEOUT:
        k = _kept(keep_h, at, there, RATE, ZONEOUT)
        tl.store(d_h + at, k * d, mask=there)
        d = (1.0 - k) * d
    tl.store(da + at, tl.where(out > 0, d, 0.0) if RELU else d * (1.0 - out * out), mask=there)
