"""The Triton kernels of graph attention: a program per row of a CSR graph and head, a block of edges at a time.

The forward pass takes a softmax on the way, as FlashAttention does along a row of its scores (Dao et al., 2022), and
keeps its log-sum-exp; the backward pass makes the weights again from that. What it sums by target is read by target,
what it sums by source is read by source, from the transpose: no atomic additions, so that results repeat.

``DYNAMIC`` is GATv2's score, else GAT's is meant. Offsets of features are int64; a width that is no power of two is
padded by masks.
"""
# mypy: ignore-errors
# it is Triton's language below, with Python's grammar

import triton
import triton.language as tl


@triton.jit
def _score(score, features, at, known, own, a, edge, edge_at, c, width, SLOPE: tl.constexpr, C: tl.constexpr,
           DYNAMIC: tl.constexpr, EDGE: tl.constexpr):  # fmt: skip
    """Of a block of edges LeakyReLU and its derivative, [edges, C] if DYNAMIC, else [edges], and the scores [edges]."""
    if DYNAMIC:
        z = features + own[None, :]
        if EDGE:
            z += tl.load(edge + edge_at[:, None] * C + c[None, :], mask=known[:, None] & width[None, :], other=0.0)
    else:
        z = tl.load(score + at, mask=known, other=0.0) + own
        if EDGE:
            z += tl.load(edge + edge_at, mask=known, other=0.0)
    slope = tl.where(z > 0, 1.0, SLOPE)
    y = z * slope
    e = y
    if DYNAMIC:
        e = tl.sum(y * a[None, :], 1)
    return y, slope, tl.where(known, e, -float("inf"))


@triton.jit
def forward(value, source, target, edge, att, pointer, neighbor, out, lse, H: tl.constexpr, C: tl.constexpr,
            SLOPE: tl.constexpr, DYNAMIC: tl.constexpr, EDGE: tl.constexpr, BLOCK_E: tl.constexpr,
            BLOCK_C: tl.constexpr):  # fmt: skip
    """out and the log-sum-exp of a target's scores."""
    place = tl.program_id(0).to(tl.int64)
    row, head = place // H, place % H
    c = tl.arange(0, BLOCK_C)
    width = c < C
    start, end = tl.load(pointer + row), tl.load(pointer + row + 1)
    a = 0.0
    if DYNAMIC:
        own = tl.load(target + place * C + c, mask=width, other=0.0)
        a = tl.load(att + head * C + c, mask=width, other=0.0)
    else:
        own = tl.load(target + place)
    highest, total = -float("inf"), 0.0
    sums = tl.zeros([BLOCK_C], tl.float32)
    for first in range(start, end, BLOCK_E):
        entry = first + tl.arange(0, BLOCK_E)
        known = entry < end
        at = tl.load(neighbor + entry, mask=known, other=0).to(tl.int64) * H + head
        v = tl.load(value + at[:, None] * C + c[None, :], mask=known[:, None] & width[None, :], other=0.0)
        edge_at = entry.to(tl.int64) * H + head
        _, _, e = _score(source, v, at, known, own, a, edge, edge_at, c, width, SLOPE, C, DYNAMIC, EDGE)
        new = tl.maximum(highest, tl.max(e, 0))
        scale, weight = tl.exp(highest - new), tl.exp(e - new)
        total = total * scale + tl.sum(weight, 0)
        sums = sums * scale + tl.sum(weight[:, None] * v, 0)
        highest = new
    divisor = tl.where(total == 0.0, 1.0, total)
    tl.store(out + place * C + c, sums / divisor, mask=width)
    tl.store(lse + place, highest + tl.log(divisor))


@triton.jit
def backward_by_target(value, source, target, edge, att, pointer, neighbor, out, lse, grad, delta, grad_target,
                       grad_edge, grad_att, H: tl.constexpr, C: tl.constexpr, SLOPE: tl.constexpr,
                       DYNAMIC: tl.constexpr, EDGE: tl.constexpr, BLOCK_E: tl.constexpr,
                       BLOCK_C: tl.constexpr):  # fmt: skip
    """delta = grad . out, and the gradients in what stands at a target, on its edges, and in its share of a."""
    place = tl.program_id(0).to(tl.int64)
    row, head = place // H, place % H
    c = tl.arange(0, BLOCK_C)
    width = c < C
    start, end = tl.load(pointer + row), tl.load(pointer + row + 1)
    a = 0.0
    if DYNAMIC:
        own = tl.load(target + place * C + c, mask=width, other=0.0)
        a = tl.load(att + head * C + c, mask=width, other=0.0)
        grad_own, grad_a = tl.zeros([BLOCK_C], tl.float32), tl.zeros([BLOCK_C], tl.float32)
    else:
        own, grad_own = tl.load(target + place), 0.0
    g = tl.load(grad + place * C + c, mask=width, other=0.0)
    d = tl.sum(g * tl.load(out + place * C + c, mask=width, other=0.0), 0)
    log_sum = tl.load(lse + place)
    for first in range(start, end, BLOCK_E):
        entry = first + tl.arange(0, BLOCK_E)
        known = entry < end
        at = tl.load(neighbor + entry, mask=known, other=0).to(tl.int64) * H + head
        v = tl.load(value + at[:, None] * C + c[None, :], mask=known[:, None] & width[None, :], other=0.0)
        edge_at = entry.to(tl.int64) * H + head
        y, slope, e = _score(source, v, at, known, own, a, edge, edge_at, c, width, SLOPE, C, DYNAMIC, EDGE)
        weight = tl.exp(e - log_sum)
        ds = weight * (tl.sum(v * g[None, :], 1) - d)
        if DYNAMIC:
            dz = ds[:, None] * a[None, :] * slope
            grad_own += tl.sum(dz, 0)
            grad_a += tl.sum(ds[:, None] * y, 0)
            if EDGE:
                tl.store(grad_edge + edge_at[:, None] * C + c[None, :], dz, mask=known[:, None] & width[None, :])
        else:
            dz = ds * slope
            grad_own += tl.sum(dz, 0)
            if EDGE:
                tl.store(grad_edge + edge_at, dz, mask=known)
    tl.store(delta + place, d)
    if DYNAMIC:
        tl.store(grad_target + place * C + c, grad_own, mask=width)
        tl.store(grad_att + place * C + c, grad_a, mask=width)
    else:
        tl.store(grad_target + place, grad_own)


@triton.jit
def backward_by_source(value, source, target, edge, att, pointer, neighbor, position, lse, grad, delta, grad_value,
                       grad_source, H: tl.constexpr, C: tl.constexpr, SLOPE: tl.constexpr, DYNAMIC: tl.constexpr,
                       EDGE: tl.constexpr, BLOCK_E: tl.constexpr, BLOCK_C: tl.constexpr):  # fmt: skip
    """The gradients in what a source sends, and in its score."""
    place = tl.program_id(0).to(tl.int64)
    row, head = place // H, place % H
    c = tl.arange(0, BLOCK_C)
    width = c < C
    start, end = tl.load(pointer + row), tl.load(pointer + row + 1)
    v = tl.load(value + place * C + c, mask=width, other=0.0)
    a, grad_score = 0.0, 0.0
    if DYNAMIC:
        own = v
        a = tl.load(att + head * C + c, mask=width, other=0.0)
    else:
        own = tl.load(source + place)
    sums = tl.zeros([BLOCK_C], tl.float32)
    for first in range(start, end, BLOCK_E):
        entry = first + tl.arange(0, BLOCK_E)
        known = entry < end
        at = tl.load(neighbor + entry, mask=known, other=0).to(tl.int64) * H + head
        some = known[:, None] & width[None, :]
        g = tl.load(grad + at[:, None] * C + c[None, :], mask=some, other=0.0)
        r, edge_at = g, at
        if DYNAMIC:
            r = tl.load(target + at[:, None] * C + c[None, :], mask=some, other=0.0)
        if EDGE:
            edge_at = tl.load(position + entry, mask=known, other=0).to(tl.int64) * H + head
        _, slope, e = _score(target, r, at, known, own, a, edge, edge_at, c, width, SLOPE, C, DYNAMIC, EDGE)
        weight = tl.exp(e - tl.load(lse + at, mask=known, other=0.0))
        ds = weight * (tl.sum(g * v[None, :], 1) - tl.load(delta + at, mask=known, other=0.0))
        sums += tl.sum(weight[:, None] * g, 0)
        if DYNAMIC:
            sums += tl.sum(ds[:, None] * a[None, :] * slope, 0)
        else:
            grad_score += tl.sum(ds * slope, 0)
    tl.store(grad_value + place * C + c, sums, mask=width)
    if not DYNAMIC:
        tl.store(grad_source + place, grad_score)
