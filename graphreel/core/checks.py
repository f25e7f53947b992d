"""Checks of arguments that several rooms make."""

from collections.abc import Collection

from torch import Tensor

from .transforms import is_exported


def invalid_index(index: Tensor, size: int) -> int | None:
    """An entry that is not one of 0 .. size - 1, to be named in an error, or None where all are; exporters see none."""
    if is_exported() or index.numel() == 0:
        return None
    least, most = (int(entry) for entry in index.aminmax())
    return least if least < 0 else most if most >= size else None


def check_one_of(name: str, value: str, choices: Collection[str]) -> None:
    """Raise ValueError where an argument is none of its choices."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, but got {value!r}")
