"""How sequences of different length are laid out over steps."""
