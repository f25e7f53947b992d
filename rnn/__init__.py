"""Time: closed-form back-propagation through time, cells, scanned layers, a character language model."""

from graphreel.core.lazy_room import attach_room

__getattr__, __dir__, __all__ = attach_room("graphreel.rnn", __file__)

if __name__ != "graphreel.rnn":  # imported by its folder's name, in a clone: the same names, no second copy
    __path__ = []
