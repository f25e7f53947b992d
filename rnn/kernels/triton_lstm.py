"""The pointwise part of an LSTM's step on a GPU, in Triton: a program per sequence, forward and back.

The product of the inputs, with all shifts, and that of the state are given: z = a + q. PEEPHOLES are Gers' diagonal
weights; SIGMOID is the report's candidate; NORM normalises q, and c on its way to h; ZONEOUT 1 keeps the units that
masks say, 2 takes the expectation. Gates stand in the order i, f, g, o.
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
def forward(a, q, c, h, peephole, norm_hh, norm_c, bias_c, keep_h, keep_c, gates, new_c, new_h, H: tl.constexpr,
            RATE: tl.constexpr, PEEPHOLES: tl.constexpr, SIGMOID: tl.constexpr, NORM: tl.constexpr,
            ZONEOUT: tl.constexpr, EPS: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    col = tl.arange(0, BLOCK)
    there = col < H
    at, first = row * H + col, row * 4 * H + col
    old_c = tl.load(c + at, mask=there, other=0.0)
    q_i, q_f = tl.load(q + first, mask=there, other=0.0), tl.load(q + first + H, mask=there, other=0.0)
    q_g, q_o = tl.load(q + first + 2 * H, mask=there, other=0.0), tl.load(q + first + 3 * H, mask=there, other=0.0)
    if NORM:
        mean = tl.sum(q_i + q_f + q_g + q_o, 0) / (4 * H)
        q_i, q_f = tl.where(there, q_i - mean, 0.0), tl.where(there, q_f - mean, 0.0)
        q_g, q_o = tl.where(there, q_g - mean, 0.0), tl.where(there, q_o - mean, 0.0)
        scale = 1.0 / tl.sqrt(tl.sum(q_i * q_i + q_f * q_f + q_g * q_g + q_o * q_o, 0) / (4 * H) + EPS)
        q_i = q_i * scale * tl.load(norm_hh + col, mask=there, other=0.0)
        q_f = q_f * scale * tl.load(norm_hh + H + col, mask=there, other=0.0)
        q_g = q_g * scale * tl.load(norm_hh + 2 * H + col, mask=there, other=0.0)
        q_o = q_o * scale * tl.load(norm_hh + 3 * H + col, mask=there, other=0.0)
    z_i, z_f = tl.load(a + first, mask=there, other=0.0) + q_i, tl.load(a + first + H, mask=there, other=0.0) + q_f
    z_g = tl.load(a + first + 2 * H, mask=there, other=0.0) + q_g
    z_o = tl.load(a + first + 3 * H, mask=there, other=0.0) + q_o
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
def backward(d_y, d_new_h, d_new_c, gates, q, c, peephole, norm_hh, norm_c, bias_c, keep_h, keep_c, dz, dq, dv, d_h,
             d_c, H: tl.constexpr, RATE: tl.constexpr, PEEPHOLES: tl.constexpr, SIGMOID: tl.constexpr,
             NORM: tl.constexpr, ZONEOUT: tl.constexpr, EPS: tl.constexpr, BLOCK: tl.constexpr):  # fmt: skip
    """The gradients of z, of q where they differ, of what tanh is taken of, and of the state but for that through q."""
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
    tl.store(dz + first, dz_i, mask=there)
    tl.store(dz + first + H, dz_f, mask=there)
    tl.store(dz + first + 2 * H, dz_g, mask=there)
    tl.store(dz + first + 3 * H, dz_o, mask=there)
    if NORM:
        q_i, q_f = tl.load(q + first, mask=there, other=0.0), tl.load(q + first + H, mask=there, other=0.0)
        q_g, q_o = tl.load(q + first + 2 * H, mask=there, other=0.0), tl.load(q + first + 3 * H, mask=there, other=0.0)
        mean = tl.sum(q_i + q_f + q_g + q_o, 0) / (4 * H)
        q_i, q_f = tl.where(there, q_i - mean, 0.0), tl.where(there, q_f - mean, 0.0)
        q_g, q_o = tl.where(there, q_g - mean, 0.0), tl.where(there, q_o - mean, 0.0)
        scale = 1.0 / tl.sqrt(tl.sum(q_i * q_i + q_f * q_f + q_g * q_g + q_o * q_o, 0) / (4 * H) + EPS)
        d_i = dz_i * tl.load(norm_hh + col, mask=there, other=0.0)
        d_f = dz_f * tl.load(norm_hh + H + col, mask=there, other=0.0)
        d_g = dz_g * tl.load(norm_hh + 2 * H + col, mask=there, other=0.0)
        d_o = dz_o * tl.load(norm_hh + 3 * H + col, mask=there, other=0.0)
        mean = tl.sum(d_i + d_f + d_g + d_o, 0) / (4 * H)
        along = tl.sum(d_i * q_i + d_f * q_f + d_g * q_g + d_o * q_o, 0) * scale * scale / (4 * H)
        tl.store(dq + first, scale * (d_i - mean - q_i * along), mask=there)
        tl.store(dq + first + H, scale * (d_f - mean - q_f * along), mask=there)
        tl.store(dq + first + 2 * H, scale * (d_g - mean - q_g * along), mask=there)
        tl.store(dq + first + 3 * H, scale * (d_o - mean - q_o * along), mask=there)
