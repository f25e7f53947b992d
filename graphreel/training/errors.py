"""Errors of training that the command line knows without importing torch."""


class NotFinite(ArithmeticError):
    """The loss became NaN or infinite."""
