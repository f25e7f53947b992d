"""The report: every question answered by running it, as one HTML page."""
