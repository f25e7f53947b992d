"""What comes in: graphs, sequences, books, clips, sensor series."""

from graphreel.core.lazy_room import attach_room

__getattr__, __dir__, __all__ = attach_room("graphreel.data", __file__)

if __name__ != "graphreel.data":  # imported by its folder's name, in a clone: the same names, no second copy
    __path__ = []
