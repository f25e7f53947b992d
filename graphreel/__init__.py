"""Verified, fast layers for graphs, sequences, and graphs that change over time; the application around them."""

from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.2.0.dev0"

if not Path(__file__).with_name("gnn").is_dir():  # a clone, where the rooms lie beside this folder
    __path__.append(str(Path(__file__).resolve().parent.parent))


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
