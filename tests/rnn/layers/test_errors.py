"""Bad arguments are named, with what was expected and what came."""

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

from graphreel.rnn import GRU, LSTM, RNN, PeepholeLSTM, SequenceClassifier, gates, parameter_count

X = torch.zeros(4, 2, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LSTM(3, 0), "hidden_size must be a positive integer, but got 0"),
        (lambda: RNN(0, 4), "input_size must be a positive integer, but got 0"),
        (lambda: GRU(3, 4, num_layers=0), "num_layers must be a positive integer, but got 0"),
        (lambda: LSTM(3, 4, proj_size=4), "proj_size must be a whole number from 0 to below hidden_size, but got 4"),
        (lambda: LSTM(3, 4, dropout=1.5), "dropout must be a probability between 0 and 1, but got 1.5"),
        (lambda: LSTM(3, 4, dropout=True), "dropout must be a probability between 0 and 1, but got True"),
        (lambda: LSTM(3, 4, zoneout="a"), "zoneout must be a probability between 0 and 1, but got 'a'"),
        (lambda: LSTM(3, 4, bias=False, forget_bias=1.0), "forget_bias needs bias=True"),
        (lambda: LSTM(3, 4, initialization="magic"), "initialization must be one of uniform, orthogonal, kaiming"),
        (lambda: RNN(3, 4, nonlinearity="sin"), "nonlinearity must be one of tanh, relu, but got 'sin'"),
        (lambda: PeepholeLSTM(3, 4, variant="x"), "variant must be one of gers, uva, but got 'x'"),
        (lambda: GRU(3, 4, variant="x"), "variant must be one of torch, uva, but got 'x'"),
        (lambda: SequenceClassifier(3, 4, 5, 2, cell="x"), "cell must be one of rnn, lstm, .*, but got 'x'"),
        (lambda: SequenceClassifier(0, 4, 5, 2), "num_tokens must be a positive integer, but got 0"),
        (lambda: SequenceClassifier(3, 4, 5, 2, padding=3), "padding must be a token from 0 to 2, but got 3"),
        (lambda: SequenceClassifier(3, 4, 5, 2, padding=1.5), "padding must be a token from 0 to 2, but got 1.5"),
        (lambda: SequenceClassifier(3, 4, 5, 2, cell="gru", forget_bias=1.0), "forget_bias needs a cell with a forget"),
        (lambda: parameter_count(1, 0, 1), "hidden_size must be positive, but got 0"),
    ],
)
def test_constructors(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m(X.numpy()), "input must be a tensor, but got ndarray"),
        (lambda m: m(X[0, 0]), r"input must have 2 or 3 dimensions, but got shape \(3,\)"),
        (lambda m: m(X[..., :2]), r"input must have 3 features \(input_size\), but got 2"),
        (lambda m: m(X.double()), "input must be torch.float32 like the weights, but got torch.float64"),
        (lambda m: m(X[:0]), "input must have at least one step, but got 0"),
        (lambda m: m(X, torch.zeros(1, 2, 4)), r"hx must be a pair of tensors \(h_0, c_0\), but got Tensor"),
        (
            lambda m: m(X, (torch.zeros(1, 2, 4), torch.zeros(1, 3, 4))),
            r"c_0 must have shape \(1, 2, 4\), but got \(1, 3, 4\)",
        ),
        (
            lambda m: m(X, (torch.zeros(1, 2, 4).double(), torch.zeros(1, 2, 4).double())),
            "h_0 must be torch.float32 like the input, but got torch.float64",
        ),
        (lambda m: m(X, lengths=[4, 0]), "lengths must lie between 1 and the number of steps 4, but got 0"),
        (lambda m: m(X, lengths=[5, 1]), "lengths must lie between 1 and the number of steps 4, but got 5"),
        (
            lambda m: m(X, lengths=[4]),
            r"lengths must be 2 integers, one per sequence, but got torch.int64 of shape \(1,\)",
        ),
        (lambda m: m(X, lengths=[4, None]), r"lengths must be 2 integers, one per sequence, but got \[4, None\]"),
        (lambda m: m(X, lengths=[1.0, 2.0]), "lengths must be 2 integers, one per sequence, but got torch.float32"),
        (lambda m: m(X, lengths=[1, 2], padding_side="top"), "padding_side must be 'left' or 'right', but got 'top'"),
        (lambda m: m(X, padding_side="top"), "padding_side must be 'left' or 'right', but got 'top'"),
        (
            lambda m: m(pack_padded_sequence(X, [4, 2]), lengths=[4, 2]),
            "lengths must be left out with a PackedSequence",
        ),
        (lambda m: gates(m, X[:0]), r"input must hold at least one step of one sequence, but got shape \(0, 2, 3\)"),
        (lambda m: gates(m, X, layer=1), "layer must lie between 0 and 0, but got 1"),
        (lambda m: gates(m, X, reverse=True), "reverse needs a bidirectional layer"),
    ],
)
def test_calls(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(LSTM(3, 4))


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (torch.zeros(4, dtype=torch.long), r"tokens must have shape \[B, T\] with at least one step, but got \(4,\)"),
        (torch.zeros(2, 0, dtype=torch.long), r"tokens must have shape \[B, T\] with at least one step"),
        (torch.zeros(2, 3), "tokens must be int64 or int32, but got torch.float32"),
        (torch.full((2, 3), 3), "tokens must lie between 0 and 2, but got 3"),
        (torch.full((2, 3), -1), "tokens must lie between 0 and 2, but got -1"),
        (torch.tensor([[2, 0, 1], [2, 2, 2]]), "tokens must hold a sequence in every row, but row 1 is only padding"),
    ],
)
def test_tokens(tokens: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SequenceClassifier(3, 4, 5, 2, padding=2)(tokens)
