"""Networks of several layers."""
