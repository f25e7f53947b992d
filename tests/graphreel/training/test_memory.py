"""A model that does not fit the memory is refused before any of it is made."""

import pytest
from torch import nn

from graphreel.training.memory import refuse_too_large


def test_a_model_beyond_the_memory_is_one_sentence():
    with pytest.raises(ValueError, match=r"a model of 1,000,000,000,000 parameters needs 14,901 GB to train, and this"):
        refuse_too_large(lambda: nn.Linear(10**6, 10**6, bias=False))


def test_what_fits_is_not():
    refuse_too_large(lambda: nn.Linear(10, 10, bias=False), 1600)
    with pytest.raises(ValueError, match="a model of 100 parameters needs 0 GB"):
        refuse_too_large(lambda: nn.Linear(10, 10, bias=False), 1599)


@pytest.mark.parametrize(
    "command",
    [
        ("gnn", "train", "--data", "six-node", "--layers", 3),
        ("gnn", "train", "--data", "six-node", "--layers", 3, "--model", "gat"),
        ("gnn", "train", "--data", "alkanes"),
        ("rnn", "train", "--data", "palindrome"),
        ("rnn", "train", "--data", "book"),
        ("combined", "train", "--data", "digits"),
        ("combined", "compare", "--data", "digits"),
    ],
)
def test_every_training_asks_before_it_writes(said, tmp_path, command):
    code, _, error = said(*command, "--hidden", 800_000, "--out", tmp_path / "run", "--quiet")
    assert code == 2 and "parameters needs" in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()
