from math import log

import pytest
import torch
from torch import nn

from graphreel.rnn.models.char_lm import CharLM, bits_per_character, detached
from graphreel.rnn.registry import CAUSAL_CELLS


def model(cell="lstm", **options):
    torch.manual_seed(0)
    return CharLM(7, 5, 6, cell=cell, **options).double()


def tokens(*shape, seed=0):
    return torch.randint(0, 7, shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("cell", CAUSAL_CELLS)
def test_going_on_from_the_state_is_reading_in_one_go(cell, skip):
    lm, text = model(cell, skip=skip), tokens(3, 9)
    whole, _, last = lm(text)
    first, _, state = lm(text[:, :4])
    second, loss, end = lm(text[:, 4:], None, detached(state))
    assert loss is None
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(end, last)


def test_values_and_gradients_equal_torch_nn():
    lm, text, targets = model(), tokens(3, 9), tokens(3, 9, seed=1)
    embedding, layers, head = nn.Embedding(7, 5), nn.LSTM(5, 6, 2, batch_first=True), nn.Linear(6, 7)
    peer = nn.ModuleDict({"embedding": embedding, "recurrent": layers, "head": head}).double()
    peer.load_state_dict(lm.state_dict())
    wanted = head(layers(embedding(text))[0])
    wanted_loss = nn.functional.cross_entropy(wanted.reshape(-1, 7), targets.reshape(-1))
    logits, loss, _ = lm(text, targets)
    torch.testing.assert_close(logits, wanted)
    torch.testing.assert_close(loss, wanted_loss)
    loss.backward()
    wanted_loss.backward()
    for (name, mine), (_, theirs) in zip(lm.named_parameters(), peer.named_parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, msg=name)


def test_skips_are_what_the_paper_draws():
    lm, text, targets = model(skip=True, num_layers=3), tokens(3, 9), tokens(3, 9, seed=1)
    layers = [nn.LSTM(size, 6, batch_first=True).double() for size in (5, 11, 11)]
    for peer, mine in zip(layers, lm.recurrent.layers, strict=True):
        peer.load_state_dict(mine.state_dict())
    x = lm.embedding(text)
    first, end = layers[0](x)
    second, _ = layers[1](torch.cat([x, first], 2))
    third, _ = layers[2](torch.cat([x, second], 2))
    wanted = lm.head(torch.cat([first, second, third], 2))
    logits, loss, state = lm(text, targets)
    torch.testing.assert_close(logits, wanted)
    torch.testing.assert_close([part[:1] for part in state], list(end))
    weights = [layer.weight_hh_l0 for layer in lm.recurrent.layers]
    theirs = torch.autograd.grad(
        nn.functional.cross_entropy(wanted.flatten(0, 1), targets.flatten()), [peer.weight_hh_l0 for peer in layers]
    )
    torch.testing.assert_close(torch.autograd.grad(loss, weights), theirs)


def test_bits_per_character_carries_the_state_from_start_to_end():
    lm, text = model(dropout=0.5), tokens(40)
    lm.train()
    bits = bits_per_character(lm, text, chunk=7)
    assert lm.training
    lm.eval()
    logits, _, _ = lm(text[None, :-1])
    chosen = torch.log_softmax(logits[0], 1)[torch.arange(39), text[1:]]
    assert bits == pytest.approx(-chosen.mean().item() / log(2), rel=1e-12)


def test_it_learns_a_text_by_heart():
    torch.manual_seed(0)
    lm, text = CharLM(4, 8, 16, 1), torch.tensor([0, 1, 2, 0, 1, 3] * 20)
    optimizer = torch.optim.Adam(lm.parameters(), 0.02)
    for _ in range(60):
        _, loss, _ = lm(text[None, :-1], text[None, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert bits_per_character(lm, text) < 0.1


def test_forget_bias_and_default_sizes():
    lm = CharLM(10)
    assert lm.embedding.weight.shape == (10, 87) and lm.head.weight.shape == (10, 128)
    assert lm.recurrent.num_layers == 2
    assert torch.equal(lm.recurrent.bias_ih_l1[128:256] + lm.recurrent.bias_hh_l1[128:256], torch.ones(128))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cell": "bilstm"}, "cell must be one of rnn, lstm, peephole, peephole-gers, gru, got 'bilstm'"),
        ({"num_tokens": 0}, "num_tokens must be a positive integer, got 0"),
        ({"num_layers": 0, "skip": True}, "num_layers must be a positive integer, got 0"),
        ({"hidden_size": 0}, "hidden_size must be a positive integer, but got 0"),
        ({"embedding_dim": 1.5}, r"embedding_dim must be a positive integer, got 1\.5"),
    ],
)
def test_bad_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        CharLM(**{"num_tokens": 5, **arguments})


def test_bad_tokens():
    with pytest.raises(ValueError, match=r"tokens must have shape \[B, T\] and not be empty, got \[3, 0\]"):
        model()(tokens(3, 0))
    with pytest.raises(ValueError, match=r"targets must have the tokens' shape \[2, 3\], got \[2, 4\]"):
        model()(tokens(2, 3), tokens(2, 4))
    with pytest.raises(ValueError, match=r"tokens must be a text of at least 2 characters, got shape \[1\]"):
        bits_per_character(model(), tokens(1))
    with pytest.raises(ValueError, match="chunk must be at least 1, got 0"):
        bits_per_character(model(), tokens(1, 4)[0], chunk=0)


def test_bad_dtypes_and_the_mode_after_an_error():
    lm, text = model().train(), tokens(2, 3)
    with pytest.raises(ValueError, match=r"tokens must be int64 or int32, got torch\.float32"):
        lm(text.float())
    with pytest.raises(ValueError, match=r"targets must be int64 or uint8, got torch\.int32"):
        lm(text, text.int())
    with pytest.raises(ValueError, match="tokens must be int64 or int32"):
        bits_per_character(lm, text[0].float())
    assert lm.training


@pytest.mark.parametrize("layers", [1, 3])
def test_a_state_of_another_depth(layers):
    text = tokens(2, 3)
    state = CharLM(7, 5, 6, layers, skip=True)(text)[2]
    with pytest.raises(ValueError, match=f"state must be that of 2 layers, got one of {layers}"):
        CharLM(7, 5, 6, 2, skip=True)(text, state=state)
