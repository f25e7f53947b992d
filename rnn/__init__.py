"""Time: closed-form back-propagation through time, cells, unrolled layers, a character language model."""
