"""Verified, fast layers for graphs, sequences, and graphs that change over time; the application around them."""

from __future__ import annotations

import os
from importlib import import_module

TYPE_CHECKING = False  # as in typing, which takes long to import: a Ctrl-C at the start shall find little to interrupt
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.2.0.dev0"

if not os.path.isdir(os.path.join(os.path.dirname(__file__), "gnn")):  # a clone, where the rooms lie beside this folder
    __path__.append(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))


# public name -> the module that holds it; they import torch, which `graphreel --help` does without
_LATE = {
    "accelerate": ".layer_swap",
    "load_pickle": ".old_pickles",
    "load_run": ".inspect.load_run",
    "restore": ".layer_swap",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(_LATE[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
