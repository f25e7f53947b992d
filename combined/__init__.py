"""Space x time: a graph network over frames, a recurrent network over time."""
