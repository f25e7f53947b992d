"""Space: adjacency algebra, dense formulas, message-passing layers, models, attention pictures."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub("graphreel.gnn", __file__)

if __name__ != "graphreel.gnn":  # imported by its folder's name, in a clone: the same names, no second copy
    __path__ = []
