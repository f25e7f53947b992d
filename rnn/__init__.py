"""Time: closed-form back-propagation through time, cells, scanned layers, a character language model."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub("graphreel.rnn", __file__)

if __name__ != "graphreel.rnn":  # imported by its folder's name, in a clone: the same names, no second copy
    __path__ = []
