"""Attention looked at, and how far a message reaches."""
