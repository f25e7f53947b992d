"""Keypoints as other programs write them: a file here for each format, and what they share."""
