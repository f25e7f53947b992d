"""Clip classifier and forecaster."""
