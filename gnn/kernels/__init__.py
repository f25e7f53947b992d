"""The fast paths beneath the layers."""
