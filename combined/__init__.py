"""Space x time: a graph network over frames, a recurrent network over time."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub("graphreel.combined", __file__)

if __name__ != "graphreel.combined":  # imported by its folder's name, in a clone: the same names, no second copy
    __path__ = []
