"""The kernels built for two generations of cards: all of Triton's compiler runs without one."""

import pytest

from graphreel.gnn.kernels import fused_attention
from graphreel.rnn.kernels import gpu_scan

triton = pytest.importorskip("triton")
pytestmark = pytest.mark.slow

INDICES = ("pointer", "neighbor", "position")


def build(kernel, constants, warps, card):
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    signature = {
        name: "constexpr" if name in constants else "*i32" if name in INDICES else "*fp32" for name in kernel.arg_names
    }
    source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
    options = {"num_warps": warps, "enable_fp_fusion": True}
    return triton.compile(source, target=GPUTarget("cuda", card, 32), options=options).asm


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path):
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))


@pytest.mark.parametrize(("card", "width", "dynamic"), [(80, 16, True), (90, 200, False)])
def test_attention(card, width, dynamic):
    sizes = fused_attention.block_sizes(width)
    warps = sizes.pop("num_warps")
    constants = {"H": 4, "C": width, "SLOPE": 0.2, "DYNAMIC": dynamic, "EDGE": True, **sizes}
    for kernel in fused_attention.kernels().values():
        assert len(build(kernel, constants, warps, card)["cubin"]) > 0


@pytest.mark.parametrize(("card", "flag", "zoneout"), [(80, False, 1), (90, True, 2)])
def test_recurrent_steps(card, flag, zoneout):
    constants = {"H": 200, "RATE": 0.1, "EPS": 1e-5, "BLOCK": 256, "ZONEOUT": zoneout}
    constants |= dict.fromkeys(("PEEPHOLES", "SIGMOID", "NORM", "RELU"), flag)
    for kernel in gpu_scan.kernels().values():
        own = {name: value for name, value in constants.items() if name in kernel.arg_names}
        assert len(build(kernel, own, 2, card)["cubin"]) > 0
