"""Series of sensors, and windows over them."""
