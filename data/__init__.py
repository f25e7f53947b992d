"""What comes in: graphs, sequences, books, clips, sensor series.

Importing this package is cheap: torch and PyG are imported when a data set is loaded.
"""

from data.loading import load, locate, names

__all__ = ["load", "locate", "names"]
