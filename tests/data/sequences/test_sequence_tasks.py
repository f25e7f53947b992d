import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from graphreel.data.sequences.sequence_tasks import (
    bucket,
    draw_baum_sweet,
    draw_combinations,
    draw_palindromes,
    is_baum_sweet,
    load_baum_sweet,
    load_palindrome,
    load_random_combinations,
)

LOADERS = [load_palindrome, load_baum_sweet, load_random_combinations]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def strings(tokens):
    return {tuple(row) for row in tokens.tolist()}


def can_be_cut(digits, integers):
    """Whether the digits are `integers` numbers from 0..8 without leading zeros, one after the other."""
    if integers == 0:
        return not digits
    written = [format(value, "b") for value in range(9)]
    return any(digits.startswith(one) and can_be_cut(digits[len(one) :], integers - 1) for one in written)


@pytest.mark.parametrize("length", [1, 5, 10])
def test_palindromes_follow_their_definition(length):
    tokens, labels = draw_palindromes(200, generator(), length)
    for row, label in zip(tokens.tolist(), labels.tolist(), strict=True):
        digits = "".join(map(str, row)).lstrip("2") + str(label)
        assert digits == digits[::-1] and set(digits) <= {"0", "1"}
        half = digits[: len(digits) // 2]
        assert can_be_cut(half, (length + 1) // 2) or can_be_cut(half[::-1], (length + 1) // 2)


@pytest.mark.parametrize(("length", "width", "mean"), [(10, 41, 23.4), (20, 81, 47.9)])
def test_facts_of_palindromes(length, width, mean):
    tokens, labels = draw_palindromes(50_000, generator(1), length)
    used = tokens != 2
    assert tokens.shape == (50_000, width)
    first = tokens.gather(1, used.long().argmax(1, keepdim=True))[:, 0]
    assert torch.equal(first, labels)
    assert labels.double().mean().item() == pytest.approx(2 / 3, abs=0.01)
    assert used.sum(1).double().mean().item() == pytest.approx(mean, abs=0.1)
    assert bool((used[:, 1:] >= used[:, :-1]).all())  # all padding is on the left


def test_ten_integers_write_33473_half_strings():
    written = [format(value, "b") for value in range(9)]
    halves = {"".join(numbers) for numbers in itertools.product(written, repeat=5)}
    halves |= {half[::-1] for half in halves}
    assert len(halves) == 33_473
    drawn = ("".join(map(str, row)).lstrip("2") for row in draw_palindromes(5000, generator(), 10)[0].tolist())
    assert {digits[: (len(digits) + 1) // 2] for digits in drawn} <= halves


@given(st.integers(1, 10**15))
@settings(max_examples=200, deadline=None)
def test_baum_sweet_is_the_slow_definition(number):
    blocks = format(number, "b").split("1")
    assert is_baum_sweet(torch.tensor([number, 1]))[0].item() == all(len(block) % 2 == 0 for block in blocks)


@pytest.mark.parametrize(("length", "rate"), [(4, 0.825), (5, 0.668), (6, 0.502)])
def test_baum_sweet_labels_rates_and_padding(length, rate):
    tokens, labels = draw_baum_sweet(10_000, generator(), length)
    assert tokens.shape == (10_000, 4 * length)
    assert labels.double().mean().item() == pytest.approx(rate, abs=0.015)
    for row, label in zip(tokens[:300].tolist(), labels[:300].tolist(), strict=True):
        digits = "".join(map(str, row)).lstrip("2")
        assert 10 <= int(digits, 2) <= 10**length and digits[0] == "1"
        assert label == all(len(block) % 2 == 0 for block in digits.split("1"))


@pytest.mark.parametrize("length", [2, 5, 15])
def test_combinations_miss_their_label(length):
    tokens, labels = draw_combinations(500, generator(), length)
    whole = torch.cat([tokens, labels[:, None]], 1)
    assert torch.equal(whole.sort(1).values, torch.arange(length).expand(500, length))
    assert labels.bincount(minlength=length).min() > 0


@pytest.mark.parametrize(
    ("loader", "length", "tokens", "classes", "padding", "width"),
    [
        (load_palindrome, 10, 3, 2, 2, 41),
        (load_palindrome, 20, 3, 2, 2, 81),
        (load_baum_sweet, 4, 3, 2, 2, 16),
        (load_random_combinations, 5, 5, 5, None, 4),
        (load_random_combinations, 15, 15, 15, None, 14),
    ],
)
def test_parts_share_no_string(loader, length, tokens, classes, padding, width):
    task = loader(length, test_size=300, validation_size=200)
    assert (task.num_tokens, task.num_classes, task.padding, task.sequence_length) == (tokens, classes, padding, width)
    assert task.strings_held_out and task.test[0].shape == (300, width) and task.validation[1].shape == (200,)
    batch, labels = task.batch(3000, generator(7))
    assert batch.shape == (3000, width) and labels.shape == (3000,)
    train, test, validation = strings(batch), strings(task.test[0]), strings(task.validation[0])
    assert not train & test and not train & validation and not test & validation


def test_a_space_too_small_is_not_held_out():
    task = load_random_combinations(2, test_size=10, validation_size=10)
    assert not task.strings_held_out
    assert task.batch(64, generator())[0].unique().tolist() == [0, 1]


@pytest.mark.parametrize("loader", LOADERS)
def test_generators_decide_everything(loader):
    one, two, other = loader(), loader(), loader(seed=1)
    assert torch.equal(one.test[0], two.test[0]) and torch.equal(one.validation[1], two.validation[1])
    assert not torch.equal(one.test[0], other.test[0])
    first, again = one.batch(50, generator(3)), one.batch(50, generator(3))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], one.batch(50, generator(4))[0])


@pytest.mark.parametrize(
    ("loader", "length", "chance"),
    [(load_palindrome, 10, 2 / 3), (load_baum_sweet, 6, 0.502), (load_random_combinations, 10, 0.1)],
)
def test_chance_is_the_majority_class(loader, length, chance):
    assert loader(length, test_size=10, validation_size=10).chance == pytest.approx(chance, abs=0.015)


def test_buckets_are_even():
    tokens = draw_palindromes(20_000, generator(), 20)[0].unique(dim=0)
    share = (bucket(tokens) < 100).double().mean().item()
    assert share == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("loader", "options", "message"),
    [
        (load_palindrome, {"length": 0}, "length must be an integer of at least 1, got 0"),
        (load_palindrome, {"length": 2.5}, "length must be an integer of at least 1, got 2.5"),
        (load_baum_sweet, {"length": 16}, "length must be an integer of 2 to 15, got 16"),
        (load_random_combinations, {"length": 1}, "length must be an integer of at least 2, got 1"),
        (load_palindrome, {"test_size": 0}, "test_size must be an integer of at least 1, got 0"),
    ],
)
def test_bad_options(loader, options, message):
    with pytest.raises(ValueError, match=message):
        loader(**options)


def test_bad_batch_size():
    with pytest.raises(ValueError, match="batch_size must be an integer of at least 1, got -3"):
        load_palindrome(test_size=5, validation_size=5).batch(-3, generator())


def test_shorter_strings_are_padded_and_none_is_held_out():
    task, generator = load_palindrome(20), torch.Generator().manual_seed(0)
    tokens, labels = task.batch(64, generator, length=3)
    assert tokens.shape == (64, task.sequence_length)
    strings = [row[row != 2].tolist() for row in tokens]
    assert all(
        [*string, label] == [label, *string[::-1]] for string, label in zip(strings, labels.tolist(), strict=True)
    )
    assert max(map(len, strings)) <= 15 and bool((bucket(tokens) >= 200).all())
    with pytest.raises(ValueError, match="random-combinations has none"):
        load_random_combinations(5).batch(4, generator, length=3)
