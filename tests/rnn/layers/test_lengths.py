"""Padding on either side changes nothing; a batch equals its parts."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.utils.rnn import pack_padded_sequence

from graphreel.rnn import GRU, LSTM, RNN, PeepholeLSTM
from graphreel.rnn.kernels.dispatch import by_torch, scan_path
from graphreel.rnn.layers import torch_stack

LAYERS = {
    "rnn": lambda: RNN(3, 4, bidirectional=True, dtype=torch.float64),
    "lstm": lambda: LSTM(3, 4, 2, bidirectional=True, dtype=torch.float64),
    "gers": lambda: PeepholeLSTM(3, 4, 2, bidirectional=True, dtype=torch.float64),
    "uva": lambda: PeepholeLSTM(3, 4, 2, bidirectional=True, variant="uva", dtype=torch.float64),
    "gru": lambda: GRU(3, 4, 2, bidirectional=True, dtype=torch.float64),
    "gru uva": lambda: GRU(3, 4, variant="uva", dtype=torch.float64),
}


@pytest.mark.parametrize("name", LAYERS)
@settings(max_examples=10, deadline=None)
@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4), side=st.sampled_from(["left", "right"]))
def test_padding_changes_nothing(name: str, lengths: list[int], side: str) -> None:
    torch.manual_seed(0)
    layer, steps = LAYERS[name](), 5
    x = torch.randn(steps, len(lengths), 3, dtype=torch.float64)
    y, final = layer(x, lengths=lengths, padding_side=side)
    finals = (final,) if isinstance(final, torch.Tensor) else final
    for b, length in enumerate(lengths):
        span = slice(0, length) if side == "right" else slice(steps - length, steps)
        alone, alone_final = layer(x[span, b : b + 1])
        torch.testing.assert_close(y[span, b : b + 1], alone, rtol=1e-11, atol=1e-12)
        assert y[:, b].count_nonzero() == alone.count_nonzero()
        alone_finals = (alone_final,) if isinstance(alone_final, torch.Tensor) else alone_final
        for part, alone_part in zip(finals, alone_finals, strict=True):
            torch.testing.assert_close(part[:, b : b + 1], alone_part, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.uint16, torch.uint64])
def test_lengths_of_any_integer_type(dtype: torch.dtype) -> None:
    layer, x = LSTM(3, 4), torch.randn(5, 2, 3)
    torch.testing.assert_close(layer(x, lengths=torch.tensor([5, 2]).to(dtype)), layer(x, lengths=[5, 2]))


@pytest.mark.parametrize("side", ["left", "right"])
def test_what_stands_in_the_padding_does_not_matter(side: str) -> None:
    torch.manual_seed(0)
    layer = LSTM(3, 4, bidirectional=True, batch_first=True)
    x = torch.randn(3, 5, 3)
    lengths = torch.tensor([2, 5, 3])
    valid = torch.arange(5) < lengths[:, None] if side == "right" else torch.arange(5) >= 5 - lengths[:, None]
    noise = torch.where(valid[:, :, None], x, torch.full_like(x, float("nan")))
    torch.testing.assert_close(
        layer(noise, lengths=lengths, padding_side=side), layer(x, lengths=lengths, padding_side=side)
    )


@pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
def test_inference_by_torchs_packed_operator(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer, lengths = kind(3, 4, 2, bidirectional=True, batch_first=True), [2, 5, 1]
    x, calls = torch.randn(3, 6, 3), []
    monkeypatch.setattr(torch_stack, "by_torch", lambda *given: calls.append(given) or by_torch(*given))
    rows = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    for state in (None, layer(torch.randn(3, 2, 3))[1]):
        with torch.no_grad():
            got, packed = layer(x, state, lengths=lengths), layer(rows, state)
            with scan_path("plain"):
                want, wanted = layer(x, state, lengths=lengths), layer(rows, state)
        torch.testing.assert_close(got, want)
        torch.testing.assert_close((packed[0].data, packed[1]), (wanted[0].data, wanted[1]))
    assert len([given for given in calls if given[-2] is not None]) == 4


@pytest.mark.parametrize(("lengths", "by_torchs"), [([12, 3, 7], True), ([5, 5], True), ([40, 3], False)])
@pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
def test_training_packed_goes_the_faster_way(
    kind: type, lengths: list[int], by_torchs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    layer, calls = kind(3, 4, bidirectional=True), []
    rows = pack_padded_sequence(torch.randn(max(lengths), len(lengths), 3), lengths, enforce_sorted=False)
    monkeypatch.setattr(torch_stack, "by_torch", lambda *given: calls.append(given) or by_torch(*given))
    results = []
    for path in ("fastest", "plain"):
        with scan_path(path):
            y = layer(rows)[0].data
        results.append([y, *torch.autograd.grad(y.square().sum(), list(layer.parameters()))])
    torch.testing.assert_close(*results)
    assert len(calls) == by_torchs
    assert all((given[-2] is None) == (min(lengths) == max(lengths)) for given in calls)
