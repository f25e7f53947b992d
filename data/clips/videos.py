"""Videos as clips: frames are cut into superpixels or patches, which are nodes next to their neighbours."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .clip import Clip, ClipSplits, stratified_holdout
from .video_files import SUFFIXES, read_frames, require_av

PATCH = 8  # grey values along each side of the picture detail that a node carries


@dataclass(frozen=True)
class VideoReader:
    """Makes clips of videos.

    A node is a region of a frame, a superpixel (SLIC; Achanta et al., 2012) or a square patch. Features: place of its
    middle (2, -1 .. 1), its share of the picture times `regions`, mean and deviation of its colour (3 + 3, 0 .. 1), and
    8 x 8 grey values around its middle. Edges: regions that touch, in both directions, and regions of which at least a
    quarter of the smaller one lies over the other in the next frame; edge_weight is 1 within a frame and the
    intersection over the union across frames. Patches stay where they are, so they are tracked.

    Attributes:
        kind: "superpixels" or "patches".
        regions: about how many per frame.
        most: frames at most, spread evenly.
        height: higher pictures are made smaller.
    """

    kind: str = "superpixels"
    regions: int = 100
    most: int = 32
    height: int = 96

    def clip(self, frames: Tensor, label: int | None = None) -> Clip:
        """Make a clip of pictures uint8 [frames, height, width, 3]."""
        pictures = frames.numpy().astype(np.float32) / 255
        maps = [self._regions(picture) for picture in pictures]
        counts = np.array([int(each.max()) + 1 for each in maps])
        starts = counts.cumsum() - counts
        features = [self._features(picture, each) for picture, each in zip(pictures, maps, strict=True)]
        within = [_touching(each) + start for each, start in zip(maps, starts, strict=True)]
        across, shares = [np.zeros((2, 0), dtype=np.int64)], [np.zeros(0)]
        for t in range(len(maps) - 1):
            pairs, share = _overlaps(maps[t], maps[t + 1])
            across.append(pairs + starts[t : t + 2, None])
            shares.append(share)
        inside, onward = np.concatenate(within, axis=1), np.concatenate(across, axis=1)
        size = torch.tensor([frames.shape[1:3]])
        x = torch.from_numpy(np.concatenate(features)).float()
        clip = Clip(
            x=x,
            edge_index=torch.from_numpy(np.concatenate([inside, onward], axis=1)),
            edge_attr=torch.cat([torch.zeros(inside.shape[1], 1), torch.ones(onward.shape[1], 1)]),
            edge_weight=torch.cat([torch.ones(inside.shape[1]), torch.from_numpy(np.concatenate(shares)).float()]),
            frame=torch.repeat_interleave(torch.arange(len(maps)), torch.from_numpy(counts)),
            num_frames=len(maps),
            pos=(x[:, :2] + 1) / 2 * size.flip(1),
            canvas=size,
        )
        if self.kind == "patches":
            clip.track = torch.cat([torch.arange(int(count)) for count in counts])
            clip.num_tracks = int(counts.max())
        if label is not None:
            clip.y = torch.tensor([label])
        return clip.checked()

    def read(self, path: Path, label: int | None = None) -> Clip:
        """Make a clip of a video file."""
        return self.clip(read_frames(path, self.most, self.height), label)

    def _regions(self, picture: np.ndarray) -> np.ndarray:
        """Number the regions of a picture, 0 .. without gaps: int [height, width]."""
        height, width = picture.shape[:2]
        if self.kind == "patches":
            rows = max(1, min(height, round((self.regions * height / width) ** 0.5)))
            columns = max(1, min(width, round(self.regions / rows)))
            down, along = np.arange(height) * rows // height, np.arange(width) * columns // width
            return down[:, None] * columns + along
        from skimage.segmentation import slic

        found = slic(picture, n_segments=self.regions, compactness=5.0, start_label=0, channel_axis=-1)
        return np.unique(found, return_inverse=True)[1].reshape(height, width)

    def _features(self, picture: np.ndarray, regions: np.ndarray) -> np.ndarray:
        height, width = regions.shape
        flat = regions.ravel()
        area = np.bincount(flat).astype(np.float64)

        def mean(values: np.ndarray) -> np.ndarray:
            return np.bincount(flat, weights=values.ravel()) / area

        down, along = np.mgrid[:height, :width]
        y, x = mean(down + 0.5), mean(along + 0.5)
        colour = np.stack([mean(picture[..., c]) for c in range(3)], axis=1)
        square = np.stack([mean(picture[..., c] ** 2) for c in range(3)], axis=1)
        spread = np.sqrt(np.maximum(square - colour**2, 0))
        reach = np.sqrt(height * width / self.regions) * (np.arange(PATCH) + 0.5 - PATCH / 2) / PATCH
        rows = np.clip(np.floor(y[:, None] + reach), 0, height - 1).astype(int)
        columns = np.clip(np.floor(x[:, None] + reach), 0, width - 1).astype(int)
        detail = picture.mean(axis=2)[rows[:, :, None], columns[:, None, :]].reshape(len(area), -1)
        place = np.stack([2 * x / width - 1, 2 * y / height - 1, area / flat.size * self.regions], axis=1)
        return np.concatenate([place, colour, spread, detail], axis=1)


def load_videos(
    path: Path,
    kind: str = "superpixels",
    regions: int = 100,
    most: int = 32,
    height: int = 96,
    test: float = 0.2,
    validation: float = 0.15,
    seed: int = 0,
) -> ClipSplits:
    """Load a folder of videos with one subfolder per class.

    Args:
        path: the folder; a class is called like its subfolder.
        kind, regions, most, height: see `VideoReader`.
        test, validation: the shares of each class that are held out, the second of what the first leaves.
        seed: of what is held out.

    Raises:
        ValueError: a setting out of range, fewer than two classes, a class with fewer than three videos, an unreadable
            video; PyAV or scikit-image is not installed.
    """
    path = Path(path)
    reader = video_reader(kind, regions, most, height)
    folders = sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    files = [[file for file in sorted(folder.iterdir()) if file.suffix.lower() in SUFFIXES] for folder in folders]
    classes = [folder.name for folder, found in zip(folders, files, strict=True) if found]
    files = [found for found in files if found]
    if len(classes) < 2:
        raise ValueError(
            f"{path} has videos in {len(classes)} subfolders: expected one subfolder for each of 2 classes"
        )
    for name, found in zip(classes, files, strict=True):
        if len(found) < 3:
            raise ValueError(f"class {name} of {path} has {len(found)} videos: expected at least 3, one for each part")
    clips = [reader.read(file, label) for label, found in enumerate(files) for file in found]
    labels = torch.cat([clip.y for clip in clips])
    training, testing = stratified_holdout(labels, test, seed)
    kept, held = stratified_holdout(labels[training], validation, seed)
    return ClipSplits(
        path.name,
        [clips[training[i]] for i in kept],
        [clips[training[i]] for i in held],
        [clips[i] for i in testing],
        classes,
        settings=asdict(reader),
    )


def video_reader(kind: str = "superpixels", regions: int = 100, most: int = 32, height: int = 96) -> VideoReader:
    """A `VideoReader`, once its settings are sound and what it needs is installed."""
    if kind not in ("superpixels", "patches"):
        raise ValueError(f"kind must be superpixels or patches, got {kind!r}")
    for name, number in (("regions", regions), ("most", most), ("height", height)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, got {number}")
    require_av()
    if kind == "superpixels":
        try:
            import skimage.segmentation  # noqa: F401
        except ImportError:
            raise ValueError(
                "superpixels need the extra `video` (PyAV, scikit-image): pip install 'graphreel[video]'"
            ) from None
    return VideoReader(kind, regions, most, height)


def _touching(regions: np.ndarray) -> np.ndarray:
    """Pairs of regions that share a border, in both directions, [2, edges]."""
    beside = np.stack([regions[:, :-1].ravel(), regions[:, 1:].ravel()])
    below = np.stack([regions[:-1].ravel(), regions[1:].ravel()])
    pairs = np.concatenate([beside, below], axis=1)
    pairs = pairs[:, pairs[0] != pairs[1]]
    pairs = np.concatenate([pairs, pairs[::-1]], axis=1)
    count = int(regions.max()) + 1
    return np.stack(np.divmod(np.unique(pairs[0] * count + pairs[1]), count))


def _overlaps(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (region before, region after) [2, edges] that lie over each other, and their intersection over union."""
    count = int(after.max()) + 1
    codes, both = np.unique(before.ravel() * count + after.ravel(), return_counts=True)
    source, target = np.divmod(codes, count)
    sizes, next_sizes = np.bincount(before.ravel()), np.bincount(after.ravel())
    enough = both >= 0.25 * np.minimum(sizes[source], next_sizes[target])
    share = both / (sizes[source] + next_sizes[target] - both)
    return np.stack([source, target])[:, enough], share[enough]
