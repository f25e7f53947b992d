"""Verified, fast layers for graphs, sequences, and graphs that change over time; the application around them."""

from pathlib import Path
from typing import Any

__version__ = "0.2.0.dev0"

if not Path(__file__).with_name("gnn").is_dir():  # a clone, where the rooms lie beside this folder
    __path__.append(str(Path(__file__).resolve().parent.parent))


def __getattr__(name: str) -> Any:
    if name == "load_pickle":  # imports torch, which `graphreel --help` does without
        from .old_pickles import load_pickle

        return load_pickle
    if name in ("accelerate", "restore"):
        from . import layer_swap

        return getattr(layer_swap, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
