"""Gradients and gates looked at."""
