"""The fused scans against the plain loop, and what they must not break."""

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.flop_counter import FlopCounterMode

from graphreel.rnn import GRU, LSTM, RNN, PeepholeLSTM
from graphreel.rnn.kernels.dispatch import scan_path
from graphreel.rnn.kernels.matmul import (
    Library,
    library,
    matmul_with,
    onednn_agrees,
    tanh,
    weight_gradient,
    with_library,
)

LAYERS = {
    "lstm": lambda **options: LSTM(3, 5, **options),
    "gers": lambda **options: PeepholeLSTM(3, 5, variant="gers", **options),
    "uva": lambda **options: PeepholeLSTM(3, 5, variant="uva", **options),
    "gru": lambda **options: GRU(3, 5, **options),
    "gru-uva": lambda **options: GRU(3, 5, variant="uva", **options),
    "rnn": lambda **options: RNN(3, 5, **options),
    "relu": lambda **options: RNN(3, 5, nonlinearity="relu", **options),
}


class _Plain(torch.nn.Module):
    """The same layer, by plain operations."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, *arguments, **options):
        with scan_path("plain"):
            return self.layer(*arguments, **options)


@pytest.fixture(autouse=True)
def _fused():
    with scan_path("fused"):
        yield


def _loss(output):
    y, final = output
    weight = torch.arange(y.numel(), dtype=y.dtype).view_as(y).sin()
    h, c = (final, final) if isinstance(final, torch.Tensor) else final
    return (y * weight).sum() + h.sin().sum() + (c * c).sum()


def _as_hx(parts):
    return parts[0] if len(parts) == 1 else tuple(parts)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("lengths", [None, [6, 1, 4, 4]])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype,tolerance", [(torch.float64, 1e-11), (torch.float32, 1e-4)])
def test_fused_equals_Plain(
    name: str, lengths: list[int] | None, bias: bool, dtype: torch.dtype, tolerance: float
) -> None:
    torch.manual_seed(0)
    fused = LAYERS[name](num_layers=2, bidirectional=True, bias=bias, dtype=dtype)
    plain = _Plain(fused)
    x = torch.randn(6, 4, 3, dtype=dtype, requires_grad=True)
    parts = [torch.randn(4, 4, 5, dtype=dtype, requires_grad=True) for _ in fused.state_names]
    hx = _as_hx(parts)
    got, want = fused(x, hx, lengths), plain(x, hx, lengths)
    torch.testing.assert_close(got, want, rtol=tolerance, atol=tolerance)
    one = torch.autograd.grad(_loss(got), [x, *parts, *fused.parameters()], allow_unused=True)
    other = torch.autograd.grad(_loss(want), [x, *parts, *plain.parameters()], allow_unused=True)
    for a, b in zip(one, other, strict=True):
        a = torch.zeros_like(b) if a is None and b is not None else a
        b = torch.zeros_like(a) if b is None and a is not None else b
        torch.testing.assert_close(a, b, rtol=10 * tolerance, atol=10 * tolerance)
    with torch.no_grad():
        torch.testing.assert_close(fused(x, hx, lengths), want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("lengths", [None, [6, 1, 4, 4]])
def test_a_state_of_zeros_has_its_gradient(name: str, lengths: list[int] | None) -> None:
    torch.manual_seed(0)
    fused = LAYERS[name](dtype=torch.float64)
    plain = _Plain(fused)
    x = torch.randn(6, 4, 3, dtype=torch.float64)
    parts = [torch.zeros(1, 4, 5, dtype=torch.float64, requires_grad=True) for _ in fused.state_names]
    for layer_inputs in (parts, []):
        got, want = (
            torch.autograd.grad(
                _loss(layer(x, _as_hx(parts), lengths)), [*layer_inputs, *layer.parameters()], allow_unused=True
            )
            for layer in (fused, plain)
        )
        for one, other in zip(got, want, strict=True):
            one = torch.zeros_like(other) if one is None and other is not None else one
            other = torch.zeros_like(one) if other is None and one is not None else other
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_gradcheck_twice(name: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name](dtype=torch.float64)
    names = [key for key, _ in layer.named_parameters()]
    x = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)
    hx = [torch.randn(1, 2, 5, dtype=torch.float64, requires_grad=True) for _ in layer.state_names]

    def run(x, *others):
        parts, parameters = others[: len(hx)], others[len(hx) :]
        named = dict(zip(names, parameters, strict=True))
        y, final = torch.func.functional_call(layer, named, (x, _as_hx(parts), [3, 5]))
        return y, *((final,) if isinstance(final, torch.Tensor) else final)

    inputs = (x, *hx, *(parameter.detach().clone().requires_grad_() for parameter in layer.parameters()))
    assert gradcheck(run, inputs, fast_mode=True)
    assert gradgradcheck(run, inputs, fast_mode=True)


@pytest.mark.parametrize("name", LAYERS)
def test_backward_twice_and_two_graphs_at_once(name: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name](dtype=torch.float64)
    plain = _Plain(layer)
    first, second = (torch.randn(5, 3, 3, dtype=torch.float64) for _ in range(2))
    losses = [_loss(layer(x)) for x in (first, second)]
    expected = [torch.autograd.grad(_loss(plain(x)), list(plain.parameters())) for x in (first, second)]
    for _ in range(2):
        for loss, want in zip(losses, expected, strict=True):
            got = torch.autograd.grad(loss, list(layer.parameters()), retain_graph=True)
            torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_only_some_gradients(name: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name](dtype=torch.float64)
    plain = _Plain(layer)
    layer.requires_grad_(False)
    plain.requires_grad_(False)
    x = torch.randn(5, 3, 3, dtype=torch.float64, requires_grad=True)
    for pick in (lambda out: out[0][2].sum(), lambda out: out[1][0].sum(), lambda out: out[1][-1].sum()):
        (got,), (want,) = torch.autograd.grad(pick(layer(x)), x), torch.autograd.grad(pick(plain(x)), x)
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("create_graph", [False, True])
def test_many_gradients_at_once(name: str, create_graph: bool) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name](dtype=torch.float64)
    x = torch.randn(5, 2, 3, dtype=torch.float64, requires_grad=True)
    y, _ = layer(x, lengths=[3, 5])
    inputs, grads = [x, *layer.parameters()], torch.randn(3, *y.shape, dtype=torch.float64)

    def one(grad: torch.Tensor, **options: bool) -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(y, inputs, grad, retain_graph=True, create_graph=create_graph, **options)

    want = tuple(torch.stack(parts) for parts in zip(*map(one, grads), strict=True))
    torch.testing.assert_close(one(grads, is_grads_batched=True), want, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(torch.func.vmap(one)(grads), want, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", LAYERS)
def test_a_gradient_changed_in_place_changes_no_other(name: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name]()
    loss = _loss(layer(torch.randn(5, 2, 3)))
    want, got = (torch.autograd.grad(loss, list(layer.parameters()), retain_graph=True) for _ in range(2))
    torch._foreach_mul_(got, 2.0)
    torch.testing.assert_close(got, tuple(2 * gradient for gradient in want), rtol=1e-5, atol=1e-6)


def test_double_backward_to_what_has_no_influence() -> None:
    layer = PeepholeLSTM(3, 5, variant="uva").requires_grad_(False)
    h_0 = torch.zeros(1, 2, 5, requires_grad=True)
    y, _ = layer(torch.randn(5, 2, 3), (h_0, torch.zeros(1, 2, 5)))
    assert torch.autograd.grad(y.sum(), h_0, create_graph=True, allow_unused=True) == (None,)


@pytest.mark.parametrize("name", LAYERS)
def test_modes_that_look_at_every_operation(name: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name]()
    plain, x = _Plain(layer), torch.randn(5, 2, 3)
    counted = []
    for one in (layer, plain):
        with FlopCounterMode(display=False) as counter:
            one(x)
        counted.append(counter.get_total_flops())
    assert counted[0] == counted[1] > 0
    traced = make_fx(lambda given: layer(given)[0])(x)
    torch.testing.assert_close(traced(2 * x), layer(2 * x)[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_where_the_fused_walk_does_not_apply(name: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name]()
    x = torch.randn(4, 2, 3)
    y, _ = layer(x)
    half, _ = copy.deepcopy(layer).to(torch.bfloat16)(x.to(torch.bfloat16))
    torch.testing.assert_close(half.float(), y, rtol=0.1, atol=0.05)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(layer(x)[0].float(), y, rtol=0.1, atol=0.05)
    torch.testing.assert_close(torch.func.vmap(lambda one: layer(one)[0])(x.unsqueeze(0))[0], y)
    _, tangent = torch.func.jvp(lambda given: layer(given)[0], (x,), (torch.ones_like(x),))
    step = (layer(x + 1e-3)[0] - layer(x - 1e-3)[0]) / 2e-3
    torch.testing.assert_close(tangent, step, rtol=1e-2, atol=1e-3)
    with torch.inference_mode():
        torch.testing.assert_close(layer(x)[0], y)


@pytest.mark.parametrize("small", [0, 2**18])
@pytest.mark.parametrize("onednn", [True, False])
def test_products(onednn: bool, small: int) -> None:
    if onednn and not onednn_agrees():
        pytest.skip("this torch has no oneDNN product")
    with with_library(Library(onednn, 0, small)):
        _check_products()


def _check_products() -> None:
    x, weight, gradient = torch.randn(7, 5), torch.randn(4, 5), torch.randn(7, 4)
    torch.testing.assert_close(matmul_with(weight)(x), x @ weight.t(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(matmul_with(weight, 0, weight[:, 0])(x), x @ weight.t() + weight[:, 0])
    torch.testing.assert_close(matmul_with(weight.t())(x[:, :4].contiguous()), x[:, :4] @ weight, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(weight_gradient(gradient, x), gradient.t() @ x, rtol=1e-5, atol=1e-5)
    many, wide = torch.randn(5001, 3), torch.randn(5001, 6)[:, :4]
    torch.testing.assert_close(weight_gradient(many, wide), many.t() @ wide, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(tanh(x, out=torch.empty_like(x)), torch.tanh(x), rtol=1e-5, atol=1e-6)
    x, weight, gradient = x.double(), weight.double(), gradient.double()
    torch.testing.assert_close(matmul_with(weight)(x), x @ weight.t(), rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(weight_gradient(gradient, x), gradient.t() @ x, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(tanh(x, out=torch.empty_like(x)), torch.tanh(x), rtol=1e-14, atol=1e-14)


def test_the_other_library_gives_the_same_scan() -> None:
    if not onednn_agrees():
        pytest.skip("this torch has no oneDNN product")
    torch.manual_seed(0)
    x, other = torch.randn(9, 4, 3), Library(not library().onednn, 0)
    for make in LAYERS.values():
        layer = make()
        with scan_path("fused"):
            wanted = torch.autograd.grad(_loss(layer(x)), list(layer.parameters()))
            with with_library(other):
                got = torch.autograd.grad(_loss(layer(x)), list(layer.parameters()))
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", LAYERS)
def test_training_after_inference_mode(name: str) -> None:
    torch.manual_seed(0)
    layer = LAYERS[name](num_layers=2)
    plain = _Plain(layer)
    for steps in (9, 90):  # in memory of their own, then in memory that a longer evaluation leaves behind
        x = torch.randn(9, 4, 3)
        with torch.inference_mode():
            layer(torch.randn(steps, 4, 3))
        got = torch.autograd.grad(_loss(layer(x)), list(layer.parameters()))
        want = torch.autograd.grad(_loss(plain(x)), list(plain.parameters()))
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-4)


def test_threads_share_a_layer() -> None:
    torch.manual_seed(0)
    layer = LSTM(3, 5, num_layers=2)
    inputs = [torch.randn(9, 4, 3) for _ in range(20)]
    with torch.no_grad():
        expected = [layer(x)[0] for x in inputs]
        with ThreadPoolExecutor(4) as pool:
            got = list(pool.map(lambda x: layer(x)[0], inputs * 5))
    torch.testing.assert_close(got, expected * 5)
