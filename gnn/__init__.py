"""Space: adjacency algebra, dense formulas, message-passing layers, models, attention pictures."""
