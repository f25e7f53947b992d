"""What comes in: graphs, sequences, books, clips, sensor series."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub("graphreel.data", __file__)

if __name__ != "graphreel.data":  # imported by its folder's name, in a clone: the same names, no second copy
    __path__ = []
