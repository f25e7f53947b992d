"""The rooms of the project by name, wherever they live."""

import importlib
from types import ModuleType


def room(name: str) -> ModuleType:
    """The package gnn, rnn, combined or data: below `graphreel`, or beside it."""
    try:
        return importlib.import_module(f"graphreel.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"graphreel.{name}":
            raise
        return importlib.import_module(name)
