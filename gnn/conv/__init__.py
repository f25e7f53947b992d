"""Message-passing layers."""
