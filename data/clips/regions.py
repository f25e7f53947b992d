"""Regions of a picture: superpixels or patches, which of them touch, and which lie over each other through time."""

import numpy as np


def patches(height: int, width: int, rows: int, columns: int) -> np.ndarray:
    """A grid of patches, numbered row by row: int [height, width]."""
    down, along = np.arange(height) * rows // height, np.arange(width) * columns // width
    return down[:, None] * columns + along


def superpixels(picture: np.ndarray, regions: int) -> np.ndarray:
    """About so many superpixels (SLIC; Achanta et al., 2012) of a picture [height, width, 3], int [height, width]."""
    from skimage.segmentation import slic

    found = slic(picture, n_segments=regions, compactness=5.0, start_label=0, channel_axis=-1)
    return np.unique(found, return_inverse=True)[1].reshape(picture.shape[:2])


def touching(regions: np.ndarray) -> np.ndarray:
    """Pairs of regions that share a border, in both directions, [2, edges]."""
    beside = np.stack([regions[:, :-1].ravel(), regions[:, 1:].ravel()])
    below = np.stack([regions[:-1].ravel(), regions[1:].ravel()])
    pairs = np.concatenate([beside, below], axis=1)
    pairs = pairs[:, pairs[0] != pairs[1]]
    pairs = np.concatenate([pairs, pairs[::-1]], axis=1)
    count = int(regions.max()) + 1
    return np.stack(np.divmod(np.unique(pairs[0] * count + pairs[1]), count))


def overlaps(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (region before, region after) [2, edges] that lie over each other, and their intersection over union."""
    count = int(after.max()) + 1
    codes, both = np.unique(before.ravel() * count + after.ravel(), return_counts=True)
    source, target = np.divmod(codes, count)
    sizes, next_sizes = np.bincount(before.ravel()), np.bincount(after.ravel())
    enough = both >= 0.25 * np.minimum(sizes[source], next_sizes[target])
    share = both / (sizes[source] + next_sizes[target] - both)
    return np.stack([source, target])[:, enough], share[enough]
