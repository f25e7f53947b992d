"""Palindrome, Baum-Sweet and random combinations: sequences whose label needs a memory, generated in whole batches."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]

NEGATIVES_KEPT = 0.016724  # Baum-Sweet: every other negative number is drawn again
_PARTS = {"test": (0, 100), "validation": (100, 200), "training": (200, 1000)}  # of 1000 buckets of strings


def _check_count(name: str, value: int, least: int = 1, most: int | None = None) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least or (most is not None and value > most):
        bounds = f"at least {least}" if most is None else f"{least} to {most}"
        raise ValueError(f"{name} must be an integer of {bounds}, got {value!r}")


def draw_palindromes(batch_size: int, generator: torch.Generator, length: int = 10) -> Pair:
    """Draw binary palindromes without their last digit; the label is that digit.

    ceil(length / 2) integers from 0..8 are written in binary without leading zeros and joined; the string is reversed
    with probability 1/2, its mirror image is appended, and the whole is padded with 2 on the left to 4 * length + 2
    symbols (4 * length + 4 for an odd length, whose longest palindrome would not fit). So the label is always the
    first digit, at a distance that varies.

    Returns:
        tokens [batch_size, 4 * length + 1] of 0, 1 and 2 (padding), labels [batch_size] of 0 and 1.
    """
    integers = (length + 1) // 2
    value = torch.randint(0, 9, (batch_size, integers), generator=generator)
    flip = torch.rand(batch_size, 1, generator=generator) < 0.5
    digits = 1 + (value >= 2).long() + (value >= 4).long() + (value >= 8).long()
    place = torch.arange(4)
    bit = (value[:, :, None] >> (digits[:, :, None] - 1 - place).clamp(min=0)) & 1
    column = (digits.cumsum(1) - digits)[:, :, None] + place
    column = torch.where(place < digits[:, :, None], column, 4 * integers)  # the last column takes the rest
    half = torch.zeros(batch_size, 4 * integers + 1, dtype=torch.long)
    half.scatter_(1, column.flatten(1), bit.flatten(1))
    size = digits.sum(1, keepdim=True)
    width = max(4 * length + 2, 8 * integers)
    position = torch.arange(width) - (width - 2 * size)
    inside = torch.minimum(position, 2 * size - 1 - position)
    source = torch.where(flip, size - 1 - inside, inside).clamp(0, 4 * integers)
    whole = torch.where(position >= 0, half.gather(1, source), 2)
    return whole[:, :-1].contiguous(), whole[:, -1].contiguous()


def is_baum_sweet(numbers: Tensor) -> Tensor:
    """True where the binary form holds no odd-length block of consecutive zeros; numbers [N] positive -> [N] bool."""
    place = torch.arange(max(int(numbers.max()).bit_length(), 1))
    bit = (numbers[:, None] >> place) & 1
    last_one = torch.where(bit == 1, place, -1).cummax(1).values
    one_below = torch.nn.functional.pad(last_one[:, :-1], (1, 0), value=-1)
    zeros_below = place - 1 - one_below
    return ~((bit == 1) & (zeros_below % 2 == 1)).any(1)


def draw_baum_sweet(batch_size: int, generator: torch.Generator, length: int = 4) -> Pair:
    """Draw numbers from 10 to 10^length in binary; the label says whether no block of zeros has an odd length.

    Numbers are uniform, but a negative one is drawn again except with probability 0.016724. The binary form is padded
    with 2 on the left to 4 * length symbols.

    Returns:
        tokens [batch_size, 4 * length] of 0, 1 and 2 (padding), labels [batch_size] of 0 and 1.
    """
    kept: list[Pair] = []
    missing = batch_size
    while missing > 0:
        number = torch.randint(10, 10**length + 1, (max(1024, min(32 * missing, 1 << 17)),), generator=generator)
        positive = is_baum_sweet(number)
        keep = positive | (torch.rand(number.shape, generator=generator) < NEGATIVES_KEPT)
        kept.append((number[keep], positive[keep].long()))
        missing -= kept[-1][1].numel()
    number, label = (torch.cat(column)[:batch_size] for column in zip(*kept, strict=True))
    shifted = number[:, None] >> torch.arange(4 * length - 1, -1, -1)
    return torch.where(shifted > 0, shifted & 1, 2), label


def draw_combinations(batch_size: int, generator: torch.Generator, length: int = 5) -> Pair:
    """Draw permutations of 0..length - 1 without their last number; the label is the missing one.

    Returns:
        tokens [batch_size, length - 1], labels [batch_size], both of 0..length - 1.
    """
    permutation = torch.rand(batch_size, length, generator=generator).argsort(1)
    return permutation[:, :-1].contiguous(), permutation[:, -1].contiguous()


def _mix(value: Tensor) -> Tensor:
    value = (value ^ (value >> 30)) * -0x40A7B892E31B1A47  # splitmix64's finaliser on wrapping int64
    value = (value ^ (value >> 27)) * -0x6B2FB644ECCEEE15
    return value ^ (value >> 31)


def bucket(tokens: Tensor) -> Tensor:
    """Hash each row of tokens [N, T] to one of 1000 buckets, so that a string is always in the same part of a task."""
    place = torch.arange(tokens.shape[1]) * 1_000_003
    return (_mix(_mix(tokens + 1 + place).sum(1)) >> 8) % 1000


@dataclass(frozen=True)
class SequenceTask:
    """A task that draws its training batches on the fly and holds strings, not samples, out for testing.

    A hash of the tokens says which part a string belongs to: a tenth of all strings are for the test, a tenth for
    validation, and `batch` never yields one of them. Where there are too few strings for that (`strings_held_out` is
    False) all parts are drawn alike.

    Attributes:
        name: name of the task.
        length: the task's own measure of difficulty.
        num_tokens: size of the vocabulary, padding included.
        num_classes: number of labels.
        padding: the padding token, or None.
        sequence_length: number of tokens in a row.
        strings_held_out: whether training, validation and test share no string.
        test: fixed tokens [N, T] and labels [N].
        validation: the same, for choosing settings.
        chance: accuracy of always answering the most frequent label, over 20 000 draws.
    """

    name: str
    length: int
    num_tokens: int
    num_classes: int
    padding: int | None
    sequence_length: int
    strings_held_out: bool
    test: Pair
    validation: Pair
    chance: float
    draw: Callable[..., Pair]

    def batch(self, batch_size: int, generator: torch.Generator, length: int | None = None) -> Pair:
        """Draw tokens [batch_size, T] and labels [batch_size] from the training part.

        Args:
            length: of shorter strings than the task's, which are padded on the left.

        Raises:
            ValueError: a size is not positive, or the task has no padding or is shorter.
        """
        _check_count("batch_size", batch_size)
        if length is not None:
            _check_count("length", length, most=self.length)
            if self.padding is None:
                raise ValueError(f"length expects a task with padding, {self.name} has none")

        def draw(size: int, generator: torch.Generator) -> Pair:
            if length is None:
                return self.draw(size, generator)
            tokens, labels = self.draw(size, generator, length=length)
            missing = self.sequence_length - tokens.shape[1]
            return torch.nn.functional.pad(tokens, (missing, 0), value=self.padding), labels

        if not self.strings_held_out:
            return draw(batch_size, generator)
        return _draw_part(draw, "training", batch_size, generator)


def _draw_part(draw: Callable[[int, torch.Generator], Pair], part: str, size: int, generator: torch.Generator) -> Pair:
    low, high = _PARTS[part]
    kept: list[Pair] = []
    missing = size
    while missing > 0:
        tokens, labels = draw(min(missing * 1050 // (high - low) + 16, 1 << 16), generator)
        where = bucket(tokens)
        inside = (where >= low) & (where < high)
        kept.append((tokens[inside], labels[inside]))
        missing -= int(inside.sum())
    tokens, labels = (torch.cat(column)[:size] for column in zip(*kept, strict=True))
    return tokens, labels


def sequence_task(
    name: str,
    draw: Callable[..., Pair],
    length: int,
    num_tokens: int,
    num_classes: int,
    padding: int | None,
    test_size: int,
    validation_size: int,
    seed: int,
) -> SequenceTask:
    """A task of strings that `draw(batch_size, generator, length=length)` gives with their labels.

    Its validation and test parts are fixed by `seed`, and chance is measured on 20 000 draws.
    """
    _check_count("test_size", test_size)
    _check_count("validation_size", validation_size)
    draw = partial(draw, length=length)
    generator = torch.Generator().manual_seed(seed)
    probe = bucket(draw(4096, generator)[0])
    held_out = all(bool(((probe >= low) & (probe < high)).any()) for low, high in _PARTS.values())
    if held_out:
        test = _draw_part(draw, "test", test_size, generator)
        validation = _draw_part(draw, "validation", validation_size, generator)
    else:
        test, validation = draw(test_size, generator), draw(validation_size, generator)
    chance = draw(20_000, generator)[1].bincount().max().item() / 20_000
    sequence_length = test[0].shape[1]
    return SequenceTask(
        name, length, num_tokens, num_classes, padding, sequence_length, held_out, test, validation, chance, draw
    )


def load_palindrome(
    length: int = 10, test_size: int = 2000, validation_size: int = 1000, seed: int = 0
) -> SequenceTask:
    """The palindrome task (`draw_palindromes`) over `length` integers; `seed` fixes the test and validation parts."""
    _check_count("length", length)
    return sequence_task("palindrome", draw_palindromes, length, 3, 2, 2, test_size, validation_size, seed)


def load_baum_sweet(length: int = 4, test_size: int = 2000, validation_size: int = 1000, seed: int = 0) -> SequenceTask:
    """The Baum-Sweet task (`draw_baum_sweet`) up to 10^length; `seed` fixes the test and validation parts."""
    _check_count("length", length, least=2, most=15)
    return sequence_task("baum-sweet", draw_baum_sweet, length, 3, 2, 2, test_size, validation_size, seed)


def load_random_combinations(
    length: int = 5, test_size: int = 2000, validation_size: int = 1000, seed: int = 0
) -> SequenceTask:
    """The missing number of 0..length - 1 (`draw_combinations`); `seed` fixes the test and validation parts."""
    _check_count("length", length, least=2)
    return sequence_task(
        "random-combinations", draw_combinations, length, length, length, None, test_size, validation_size, seed
    )
