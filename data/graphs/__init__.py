"""Graphs: one `Data`, or a set of them."""
