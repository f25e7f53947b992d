"""RNN, LSTM and GRU against torch.nn's with the same state dict."""

import copy
import pickle

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from graphreel.rnn import GRU, LSTM, RNN
from graphreel.rnn.kernels.dispatch import PATHS, scan_path

PAIRS = {"RNN": (RNN, torch.nn.RNN), "LSTM": (LSTM, torch.nn.LSTM), "GRU": (GRU, torch.nn.GRU)}
OPTIONS = [
    {},
    {"num_layers": 2, "bidirectional": True},
    {"num_layers": 3, "bias": False},
    {"batch_first": True, "bidirectional": True},
]


def _pair(name: str, options: dict, dtype: torch.dtype = torch.float64):
    ours, theirs = PAIRS[name]
    torch.manual_seed(0)
    theirs = theirs(3, 5, **options, dtype=dtype)
    ours = ours(3, 5, **options, dtype=dtype)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def _states(layer, batch: int):
    parts = [
        torch.randn(layer.num_layers * layer.num_directions, batch, 5, dtype=torch.float64) for _ in layer.state_names
    ]
    return parts[0] if len(parts) == 1 else tuple(parts)


def _gradients(layer, y, final, x):
    final = (final,) if isinstance(final, torch.Tensor) else final
    loss = (y * y).sum() + sum((part.sin()).sum() for part in final)
    return torch.autograd.grad(loss, [x, *layer.parameters()])


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("given_state", [False, True])
def test_outputs_states_and_gradients(name: str, options: dict, given_state: bool) -> None:
    ours, theirs = _pair(name, options)
    x = torch.randn(4, 4, 3, dtype=torch.float64, requires_grad=True)
    hx = _states(ours, 4) if given_state else None
    got, want = ours(x, hx), theirs(x, hx)
    torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-12)
    for one, other in zip(_gradients(ours, *got, x), _gradients(theirs, *want, x), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", PAIRS)
def test_float32(name: str) -> None:
    ours, theirs = _pair(name, {"num_layers": 2}, torch.float32)
    x = torch.randn(9, 4, 3, requires_grad=True)
    got, want = ours(x), theirs(x)
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)
    for one, other in zip(_gradients(ours, *got, x), _gradients(theirs, *want, x), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("path", ["fastest", "plain"])
def test_autocast(name: str, path: str) -> None:
    ours, theirs = _pair(name, {"num_layers": 2}, torch.float32)
    x = torch.randn(9, 4, 3)
    with torch.autocast("cpu", torch.bfloat16), scan_path(path):
        got, want = ours(x), theirs(x)
    torch.testing.assert_close(got, want, rtol=0.05, atol=0.02)  # in torch.nn's types: a GRU answers in float32


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("given_state", [False, True])
def test_export_with_a_dynamic_batch(name: str, given_state: bool) -> None:
    ours, _ = _pair(name, {"num_layers": 2, "bidirectional": True})
    x, batch = torch.randn(4, 3, 3, dtype=torch.float64), torch.export.Dim("batch", min=2)
    state = _states(ours, 3) if given_state else None
    shapes = {"input": {1: batch}}
    if given_state:
        shapes["hx"] = {1: batch} if isinstance(state, torch.Tensor) else ({1: batch}, {1: batch})
    inputs = (x,) if state is None else (x, state)
    exported = torch.export.export(ours, inputs, dynamic_shapes=shapes, strict=False).module()
    for size in (3, 7):
        inputs = (torch.randn(4, size, 3, dtype=torch.float64), *([_states(ours, size)] if given_state else []))
        torch.testing.assert_close(exported(*inputs), ours(*inputs))


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("bias", [True, False])
def test_one_step_without_gradients(name: str, bias: bool) -> None:
    ours, theirs = _pair(name, {"num_layers": 2, "bias": bias})
    x, state = torch.randn(1, 4, 3, dtype=torch.float64), _states(ours, 4)
    for path in ("fastest", "torch"):
        with torch.no_grad(), scan_path(path):
            torch.testing.assert_close(ours(x, state), theirs(x, state))


@pytest.mark.parametrize("name", PAIRS)
def test_every_path_in_float32_with_second_gradients(name: str) -> None:
    ours, _ = _pair(name, {}, torch.float32)
    x = torch.randn(6, 2, 3, requires_grad=True)
    found = []
    for path in PATHS:
        with scan_path(path):
            y, _ = ours(x)
            (first,) = torch.autograd.grad(y.sin().sum(), x, create_graph=True)
            second = torch.autograd.grad((first * first).sum(), list(ours.parameters()))
            many = torch.autograd.grad(ours(x)[0], x, torch.ones(2, *y.shape), is_grads_batched=True)
            found.append((y, first, second, many))
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", PAIRS)
def test_autocast_leaves_float64_alone(name: str) -> None:
    ours, theirs = _pair(name, {"num_layers": 2})
    x = torch.randn(9, 4, 3, dtype=torch.float64)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("name", PAIRS)
def test_shapes_without_data(name: str) -> None:
    ours, theirs = _pair(name, {"num_layers": 2, "bidirectional": True})
    x = torch.empty(9, 4, 3, dtype=torch.float64, device="meta")
    got, want = ours.to("meta")(x), theirs.to("meta")(x)
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize("name", PAIRS)
def test_another_default_device(name: str) -> None:
    ours, _ = _pair(name, {"num_layers": 2, "bidirectional": True, "dropout": 0.5})
    x = torch.randn(5, 2, 3, dtype=torch.float64)
    packed, lengths = pack_padded_sequence(x, [5, 3]), torch.tensor([5, 3])
    calls = (lambda: ours(x), lambda: ours(packed), lambda: ours(x, lengths=lengths), lambda: ours(x, lengths=[5, 3]))
    for call in calls:
        torch.manual_seed(0)
        want = call()
        torch.manual_seed(0)
        with torch.device("meta"):
            got = call()
        torch.testing.assert_close(got, want)


def test_relu() -> None:
    torch.manual_seed(0)
    theirs = torch.nn.RNN(3, 5, 2, "relu")
    ours = RNN(3, 5, 2, "relu")
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(4, 2, 3)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("options", OPTIONS)
def test_unbatched(name: str, options: dict) -> None:
    ours, theirs = _pair(name, options)
    x = torch.randn(4, 3, dtype=torch.float64)
    hx = _states(ours, 1)
    hx = hx.squeeze(1) if isinstance(hx, torch.Tensor) else tuple(part.squeeze(1) for part in hx)
    torch.testing.assert_close(ours(x), theirs(x))
    torch.testing.assert_close(ours(x, hx), theirs(x, hx))


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("lengths", [[4, 3, 3, 1], [2, 4, 1, 3], [4, 4, 4, 4]])
def test_packed_and_lengths(name: str, options: dict, lengths: list[int]) -> None:
    ours, theirs = _pair(name, options)
    first = options.get("batch_first", False)
    x = torch.randn(4, 4, 3, dtype=torch.float64, requires_grad=True)
    hx = _states(ours, 4)
    packed = pack_padded_sequence(x, lengths, batch_first=first, enforce_sorted=lengths[0] == 4)
    got, want = ours(packed, hx), theirs(packed, hx)
    torch.testing.assert_close(got[0].data, want[0].data)
    torch.testing.assert_close(got[1], want[1])
    padded, _ = pad_packed_sequence(want[0], batch_first=first, total_length=4)
    by_length = ours(x, hx, lengths=torch.tensor(lengths))
    torch.testing.assert_close(by_length, (padded, want[1]))
    expected = _gradients(theirs, padded, want[1], x)
    for one, other in zip(_gradients(ours, *by_length, x), expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", PAIRS)
def test_same_seed_draws_the_same_parameters_and_dicts_load_both_ways(name: str) -> None:
    ours, theirs = PAIRS[name]
    options = {"num_layers": 2, "bidirectional": True}
    torch.manual_seed(7)
    a = ours(3, 5, **options)
    torch.manual_seed(7)
    b = theirs(3, 5, **options)
    assert list(a.state_dict()) == list(b.state_dict())
    for key, value in a.state_dict().items():
        assert torch.equal(value, b.state_dict()[key])
    torch.manual_seed(8)
    fresh = theirs(3, 5, **options)
    fresh.load_state_dict(a.state_dict())
    x = torch.randn(4, 2, 3)
    torch.testing.assert_close(fresh(x), a(x))


def test_dropout_between_layers() -> None:
    ours, theirs = _pair("LSTM", {"num_layers": 2, "dropout": 1.0})
    x = torch.randn(4, 2, 3, dtype=torch.float64)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0])
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x))


def test_copies_and_pickles() -> None:
    layer = LSTM(3, 5)
    x = torch.randn(4, 2, 3, requires_grad=True)
    y, _ = layer(x)
    y.sum().backward()
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(twin(x), layer(x))


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("options", [*OPTIONS, {"num_layers": 2, "bidirectional": True, "bias": False}])
@pytest.mark.parametrize("path", ["fastest", "plain"])
def test_projections(options: dict, path: str) -> None:
    ours, theirs = _pair("LSTM", {**options, "proj_size": 2})
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = torch.randn(4, 4, 3, dtype=torch.float64, requires_grad=True)
    depth = ours.num_layers * ours.num_directions
    hx = torch.randn(depth, 4, 2, dtype=torch.float64), torch.randn(depth, 4, 5, dtype=torch.float64)

    def pack():
        return pack_padded_sequence(x, [2, 4, 1, 3], batch_first=ours.batch_first, enforce_sorted=False)

    for give in (lambda: x, pack):
        with scan_path(path):
            (y, final), (wanted, wanted_final) = ours(give(), hx), theirs(give(), hx)
        if give is pack:
            y, wanted = y.data, wanted.data
        torch.testing.assert_close((y, final), (wanted, wanted_final), rtol=1e-10, atol=1e-12)
        for one, other in zip(_gradients(ours, y, final, x), _gradients(theirs, wanted, wanted_final, x), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)
    padded = pad_packed_sequence(theirs(pack(), hx)[0], batch_first=ours.batch_first, total_length=4)[0]
    torch.testing.assert_close(ours(x, hx, lengths=[2, 4, 1, 3])[0], padded, rtol=1e-10, atol=1e-12)
