"""What comes in: graphs, sequences, books, clips, sensor series."""
