"""Clips: keypoints, videos, dancing digits."""
