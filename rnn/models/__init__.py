"""Classifier and character model."""
