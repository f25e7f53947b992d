"""Space: adjacency algebra, dense formulas, message-passing layers, models, attention pictures."""

from graphreel.core.lazy_room import attach_room

__getattr__, __dir__, __all__ = attach_room("graphreel.gnn", __file__)

if __name__ != "graphreel.gnn":  # imported by its folder's name, in a clone: the same names, no second copy
    __path__ = []
