"""Graphs beyond memory: arrays in .npy files, read through memory maps."""
