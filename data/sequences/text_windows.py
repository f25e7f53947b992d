"""Windows of a text with targets shifted by one, as pure functions of the step: a training can go on at any of them."""

import torch
from torch import Tensor


def _check(tokens: Tensor, window: int, batch_size: int) -> None:
    for name, value in (("window", window), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")
    if tokens.numel() <= window:
        raise ValueError(f"the text is too short: {tokens.numel()} characters, but a window of {window} takes one more")


def _generator(seed: int, number: int) -> torch.Generator:
    return torch.Generator().manual_seed((seed * 1_000_003 + number) % (1 << 63))


def random_windows(tokens: Tensor, window: int, batch_size: int, step: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Windows that start anywhere.

    Args:
        tokens: the text [N].
        window: length T of a window.
        batch_size: windows B in a batch.
        step: number of the batch.
        seed: with the step it decides the windows.

    Returns:
        inputs [B, T] and targets [B, T], the inputs' successors.

    Raises:
        ValueError: the text has no more characters than a window.
    """
    _check(tokens, window, batch_size)
    start = torch.randint(0, tokens.numel() - window, (batch_size, 1), generator=_generator(seed, step))
    block = tokens[start + torch.arange(window + 1)]
    return block[:, :-1], block[:, 1:]


def carried_windows(
    tokens: Tensor, window: int, batch_size: int, step: int, seed: int = 0
) -> tuple[Tensor, Tensor, bool]:
    """Windows that go on where those of the step before ended, so that a hidden state can be carried along.

    The text is read by batch_size readers, evenly spread over it, as a ring. After a pass, in which each reads its
    share, they start again at other places (drawn by seed and pass).

    Returns:
        inputs [B, T], targets [B, T], and True where the readers have moved, so that the state must start from zero.

    Raises:
        ValueError: the text has no more characters than a window.
    """
    _check(tokens, window, batch_size)
    share = tokens.numel() // batch_size
    steps_in_pass = max(1, share // window)
    number, inside = divmod(step, steps_in_pass)
    offset = torch.randint(0, tokens.numel(), (1, 1), generator=_generator(seed, number))
    start = offset + share * torch.arange(batch_size)[:, None] + inside * window
    block = tokens[(start + torch.arange(window + 1)) % tokens.numel()]
    return block[:, :-1], block[:, 1:], inside == 0
