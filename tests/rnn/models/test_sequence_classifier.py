"""SequenceClassifier against its three parts, and what padding does."""

import pytest
import torch

from graphreel.rnn import SequenceClassifier
from graphreel.rnn.kernels.dispatch import scan_path
from graphreel.rnn.registry import CELLS
from graphreel.rnn.sequence.prefix_tree import share_prefixes


def _tokens(vocabulary: int) -> torch.Tensor:
    """Rows with shared beginnings, doubles, and the token 2 on either side."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, 2, (24, 8), generator=generator)
    tokens[::5, 3] = vocabulary - 1
    for row in range(24):
        tokens[row, : row % 6] = 2
        if row % 4 == 3:
            tokens[row, 7:] = 2
    tokens[1::2, 7] = 1
    tokens[13] = tokens[12]
    return tokens


def _by_parts(model: SequenceClassifier, tokens: torch.Tensor) -> torch.Tensor:
    """Embedding, plain layer and head, each sequence alone and without its padding."""
    logits = []
    for row in tokens:
        if model.padding is not None:
            valid = (row != model.padding).nonzero()[:, 0]
            row = row[int(valid[0]) : int(valid[-1]) + 1]
        with scan_path("plain"):
            _, final = model.recurrent(model.embedding(row))
        h = final[0] if isinstance(final, tuple) else final
        logits.append(model.head(h.flatten()))
    return torch.stack(logits)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("padding", [None, 2])
@pytest.mark.parametrize("vocabulary", [3, 9])
def test_equals_embedding_layer_and_head(cell: str, padding: int | None, vocabulary: int) -> None:
    torch.manual_seed(0)
    model = SequenceClassifier(vocabulary, 4, 6, 2, cell=cell, padding=padding).double()
    tokens = _tokens(vocabulary)
    got, want = model(tokens), _by_parts(model, tokens)
    torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-12)
    factor = torch.randn_like(want)
    parameters = list(model.parameters())
    expected = torch.autograd.grad((want * factor).sin().sum(), parameters)
    loss = (got * factor).sin().sum()
    for create_graph in (False, True):
        gradients = torch.autograd.grad(loss, parameters, retain_graph=True, create_graph=create_graph)
        for one, other in zip(gradients, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)
    with torch.no_grad():
        torch.testing.assert_close(model.float()(tokens), want.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "bilstm", "gru"])
def test_equals_torch(cell: str) -> None:
    torch.manual_seed(0)
    model = SequenceClassifier(3, 4, 6, 2, cell=cell)
    embedding, head = torch.nn.Embedding(3, 4), torch.nn.Linear(12 if cell == "bilstm" else 6, 2)
    layer = torch.nn.GRU(4, 6) if cell == "gru" else torch.nn.LSTM(4, 6, bidirectional=cell == "bilstm")
    embedding.load_state_dict(model.embedding.state_dict())
    layer.load_state_dict(model.recurrent.state_dict())
    head.load_state_dict(model.head.state_dict())
    tokens = _tokens(3)
    _, final = layer(embedding(tokens.t()))
    h = final if cell == "gru" else final[0]
    torch.testing.assert_close(model(tokens), head(torch.cat(h.unbind(), dim=1)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
def test_padding_on_either_side_changes_nothing(cell: str) -> None:
    torch.manual_seed(0)
    model = SequenceClassifier(3, 4, 6, 2, cell=cell, padding=2).double()
    tokens = torch.randint(0, 2, (5, 7))
    pad = torch.full((5, 3), 2)
    for padded in ((pad, tokens), (tokens, pad), (pad, tokens, pad)):
        torch.testing.assert_close(model(torch.cat(padded, dim=1)), model(tokens), rtol=1e-11, atol=1e-12)


def test_a_batch_equals_its_parts() -> None:
    torch.manual_seed(0)
    model = SequenceClassifier(3, 4, 6, 2, cell="peephole").double()
    tokens = _tokens(3)
    alone = torch.cat([model(row.unsqueeze(0)) for row in tokens])
    torch.testing.assert_close(model(tokens), alone, rtol=1e-11, atol=1e-12)


def test_shared_beginnings_are_walked_once() -> None:
    tokens = torch.zeros(64, 10, dtype=torch.long)
    tokens[:, -1] = torch.arange(64) % 2
    schedule, read, place = share_prefixes(tokens, torch.zeros(64, dtype=torch.long))
    assert schedule.counts == (16,) * 10
    assert len(read) == 160
    assert place.unique().tolist() == [0, 1]
    assert sorted(schedule.forks) == [0, 9]


def test_int32_tokens_and_copies_of_state() -> None:
    torch.manual_seed(0)
    model, twin = SequenceClassifier(3, 4, 6, 2), SequenceClassifier(3, 4, 6, 2)
    twin.load_state_dict(model.state_dict())
    tokens = _tokens(3)
    torch.testing.assert_close(twin(tokens.int()), model(tokens))


@pytest.mark.parametrize("padding", [None, 2])
def test_another_default_device(padding: int | None) -> None:
    torch.manual_seed(0)
    model, tokens = SequenceClassifier(3, 4, 6, 2, cell="bilstm", padding=padding), _tokens(3)
    want = model(tokens)
    with torch.device("meta"):
        got = model(tokens)
    torch.testing.assert_close(got, want)


@pytest.mark.parametrize("cell", ["gru", "bilstm"])
@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("pool", ["last", "mean"])
def test_lengths_read_each_sequence_alone(cell: str, numbers: bool, pool: str) -> None:
    torch.manual_seed(0)
    lengths = [5, 1, 3, 7]
    model = SequenceClassifier(3, 4, 6, 2, cell=cell, numbers=numbers, pool=pool).double()
    x = torch.randn(4, 7, 3).double() if numbers else torch.randint(3, (4, 7))
    got, want = model(x, lengths=lengths), []
    for row, length in zip(x, lengths, strict=True):
        with scan_path("plain"):
            outputs, final = model.recurrent(model.embedding(row[:length]))
        h = final[0] if isinstance(final, tuple) else final
        want.append(model.head(outputs.mean(0) if pool == "mean" else h.flatten()))
    torch.testing.assert_close(got, torch.stack(want), rtol=1e-11, atol=1e-12)


def test_numbers_and_pools_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match=r"pool must be one of last, mean, but got 'max'"):
        SequenceClassifier(3, 4, 6, 2, pool="max")
    with pytest.raises(ValueError, match=r"tokens must have shape \[B, T, 3\], but got \(2, 5, 2\)"):
        SequenceClassifier(3, 4, 6, 2, numbers=True)(torch.randn(2, 5, 2))
    with pytest.raises(ValueError, match="lengths must lie between 1 and the number of steps 5, but got 6"):
        SequenceClassifier(3, 4, 6, 2)(torch.zeros(1, 5, dtype=torch.long), [6])
