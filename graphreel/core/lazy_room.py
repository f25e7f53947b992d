"""A room's public names, imported when they are asked for."""

import sys
import warnings
from collections.abc import Callable
from typing import Any

import lazy_loader


def attach_room(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """`__getattr__`, `__dir__` and `__all__` of a room, whose names and their places stand in its `__init__.pyi`.

    PyTorch Geometric scripts two classes while it is imported, and torch warns of each since 2.14 with a FutureWarning;
    nobody who imports from a room can do anything about them, so they are not shown.
    """
    find, names, listed = lazy_loader.attach_stub(package, file)

    def find_quietly(name: str) -> Any:
        if "torch_geometric.nn" in sys.modules:
            return find(name)
        with warnings.catch_warnings():
            silence_scripting()
            return find(name)

    return find_quietly, names, listed


def silence_scripting() -> None:
    """Show no warning of torch's that `torch.jit.script` will go."""
    warnings.filterwarnings("ignore", message=r"`torch\.jit\.script", category=FutureWarning)
