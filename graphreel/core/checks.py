"""Checks of arguments that several rooms make."""

from torch import Tensor


def invalid_index(index: Tensor, size: int) -> int | None:
    """An entry that is not one of 0 .. size - 1, to be named in an error, or None where all are."""
    if index.numel() == 0:
        return None
    least, most = (int(entry) for entry in index.aminmax())
    return least if least < 0 else most if most >= size else None
