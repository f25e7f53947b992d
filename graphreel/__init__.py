"""The application around the rooms: command line, training, run folders, plots."""

__version__ = "0.1.0"
