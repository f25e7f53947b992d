"""Trained models looked at and used."""
