"""Sequences: synthetic tasks and books."""
