"""Space x time: a graph network over frames, a recurrent network over time."""

from graphreel.core.lazy_room import attach_room

__getattr__, __dir__, __all__ = attach_room("graphreel.combined", __file__)

if __name__ != "graphreel.combined":  # imported by its folder's name, in a clone: the same names, no second copy
    __path__ = []
