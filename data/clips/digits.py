"""Hand-written digits that dance through grey frames: clips whose class needs structure and order, both."""

import math
from functools import cache
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits as load_images
from torch import Tensor

from .clip import Clip, edges_through_time
from .splits import ClipSplits
from .video_files import write_video

HEIGHT, WIDTH = 96, 128  # of a frame, in pixels
RADIUS = 13.5  # sprites closer than this, in pixels, are neighbours
EVEN, ODD = (0, 2, 4, 6), (3, 5, 7, 9)
STRUCTURES = ("alike", "mixed")
MOVES = ("right", "left", "nearer", "farther")
CLASSES = [f"{structure} {move}" for structure in STRUCTURES for move in MOVES]


def load_digits(train: int = 800, validation: int = 160, test: int = 400, seed: int = 0) -> ClipSplits:
    """Clips of scikit-learn's 8x8 digits in eight classes: who stands by whom (2) x what the dancers do (4).

    Two quartets dance in every clip, each of two even (0, 2, 4, 6) and two odd digits (3, 5, 7, 9) on the corners of a
    rectangle that is turned at random. Its long sides are longer than RADIUS, so a sprite is linked to one other: in
    the classes "alike" even stands by even and odd by odd, in the classes "mixed" every even digit stands by an odd
    one. All else has the same distribution: digits, places, sizes and motions tell the two apart only when put in
    relation. The company moves "right" or comes "nearer" (it grows); "left" and "farther" are the same clips played
    backwards, so nothing but the order of frames tells them apart. Sprites enter late and leave early, each for itself
    (couples that came together would give the relation away), and clips have 8 to 14 frames. Training, validation and
    test clips show different images of digits.

    Nodes are sprites: x = (horizontal and vertical place, both -1 .. 1, size, 64 grey values of its patch). Edges join
    sprites closer than RADIUS, in both directions, and lead from each sprite to itself in the next frame.

    Args:
        train, validation, test: how many clips, in classes of equal size (up to one).
        seed: of the whole data set.

    Raises:
        ValueError: a split has no clips.
    """
    for name, count in (("train", train), ("validation", validation), ("test", test)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")
    thirds = torch.tensor([0.6, 0.75, 1.0])
    images = len(_images()[0])
    ends = [0, *(thirds * images).long().tolist()]
    splits = []
    for which, count in enumerate((train, validation, test)):
        generator = torch.Generator().manual_seed(3 * seed + which)
        span = (ends[which], ends[which + 1])
        splits.append([dance(label % len(CLASSES), generator, span) for label in range(count)])
    training, choosing, testing = splits
    return ClipSplits("digits", training, choosing, testing, list(CLASSES), settings={"seed": seed})


def dance(label: int, generator: torch.Generator, images: tuple[int, int] | None = None) -> Clip:
    """One clip of class `CLASSES[label]`, with images of digits numbered images[0] .. images[1] - 1 (or all)."""
    structure, move = divmod(label, len(MOVES))
    frames = int(torch.randint(8, 15, (1,), generator=generator))
    corners, digits = _company(structure, images or (0, len(_images()[0])), generator)
    place, size = _motion(move // 2, frames, generator)
    pos = place[:, None, :] + corners[None] + _uniform((frames, len(corners), 2), -0.4, 0.4, generator)
    sizes = size[:, None].expand(frames, len(corners))
    present = _on_stage(frames, len(corners), generator)
    if move % 2:
        pos, sizes, present = pos.flip(0), sizes.flip(0), present.flip(0)
    return _as_clip(pos, sizes, present, digits, label)


def render(clip: Clip, generator: torch.Generator | None = None) -> Tensor:
    """Paint a clip as grey frames, uint8 [frames, HEIGHT, WIDTH]: a noisy dark background, the digits bright on it."""
    frames = torch.zeros(int(clip.num_frames), HEIGHT, WIDTH)
    if generator is not None:
        frames += _uniform(tuple(frames.shape), 0.0, 0.1, generator)
    for node in range(len(clip.x)):
        side = 2 * max(1, round(float(clip.sprite_size[node]) / 2))
        patch = torch.nn.functional.interpolate(clip.x[node, 3:].view(1, 1, 8, 8), (side, side), mode="bilinear")[0, 0]
        left, top = (clip.pos[node] - side / 2).round().long().tolist()
        rows = slice(max(0, top), min(HEIGHT, top + side))
        columns = slice(max(0, left), min(WIDTH, left + side))
        part = patch[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
        area = frames[int(clip.frame[node]), rows, columns]
        area.copy_(torch.maximum(area, part))
    return (frames.clamp(0, 1) * 255).round().to(torch.uint8)


@cache
def _images() -> tuple[Tensor, Tensor]:
    bunch = load_images()
    return torch.from_numpy(bunch.data.astype(np.float32)) / 16, torch.from_numpy(bunch.target)


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _company(structure: int, span: tuple[int, int], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Places [8, 2] around the company's centre and image numbers [8] of two quartets; couples are neighbours in it."""
    short, long = _uniform((2,), 10.0, 12.0, generator), _uniform((2,), 15.0, 18.0, generator)
    # the couples of a quartet are the ends of its two short sides
    signs = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]) / 2
    corners = signs[None] * torch.stack([short, long], 1)[:, None]
    corners = torch.stack([_turned(quartet, generator) for quartet in corners])
    apart = _turned(torch.tensor([[1.0, 0.0]]), generator) * _uniform((1,), 18.0, 20.0, generator)
    corners = torch.cat([corners[0] + apart, corners[1] - apart])
    orders = torch.tensor([[0, 0, 1, 1], [1, 1, 0, 0]] if structure == 0 else [[0, 1, 0, 1], [0, 1, 1, 0]])
    flips = torch.randint(0, 2, (2,), generator=generator)
    odd = (orders[torch.randint(0, 2, (2,), generator=generator)] ^ flips[:, None]).flatten()
    target = _images()[1][span[0] : span[1]]
    numbers = []
    for is_odd in odd.tolist():
        wanted = (target[:, None] == torch.tensor(ODD if is_odd else EVEN)).any(1).nonzero().flatten()
        numbers.append(int(wanted[torch.randint(0, len(wanted), (1,), generator=generator)]) + span[0])
    return corners, torch.tensor(numbers)


def _turned(points: Tensor, generator: torch.Generator) -> Tensor:
    angle = float(_uniform((1,), 0.0, 2 * math.pi, generator))
    cos, sin = math.cos(angle), math.sin(angle)
    return points @ torch.tensor([[cos, sin], [-sin, cos]])


def _motion(kind: int, frames: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The company's centre [frames, 2] and its sprites' size [frames]: walking to the right (0), coming nearer (1)."""
    time = torch.linspace(0, 1, frames)
    if kind == 0:
        start, stop = _uniform((2,), 32.0, 42.0, generator).tolist()
        across = start + (WIDTH - stop - start) * time
        height = HEIGHT / 2 + float(_uniform((1,), -14.0, 14.0, generator))
        size = float(_uniform((1,), 6.6, 7.4, generator))
        return torch.stack([across, torch.full_like(time, height)], 1), torch.full_like(time, size)
    place = torch.tensor([WIDTH / 2, HEIGHT / 2]) + _uniform((2,), -14.0, 14.0, generator)
    small, large = 4.5 + float(_uniform((1,), 0, 1, generator)), 9.5 - float(_uniform((1,), 0, 1, generator))
    return place.expand(frames, 2), small + (large - small) * time


def _on_stage(frames: int, sprites: int, generator: torch.Generator) -> Tensor:
    """Who is on stage [frames, sprites]: every sprite misses up to a quarter of the clip at either end."""
    missed = (_uniform((2, sprites), 0.0, 0.25, generator) * frames).long()
    time = torch.arange(frames)[:, None]
    return (time >= missed[0]) & (time < frames - missed[1])


def _as_clip(pos: Tensor, sizes: Tensor, present: Tensor, digits: Tensor, label: int) -> Clip:
    frames, sprites = present.shape
    frame, sprite = present.nonzero(as_tuple=True)
    number = torch.full((frames, sprites), -1)
    number[present] = torch.arange(len(frame))
    near = torch.cdist(pos, pos) < RADIUS
    near &= present[:, :, None] & present[:, None, :] & ~torch.eye(sprites, dtype=torch.bool)
    at, a, b = near.nonzero(as_tuple=True)
    within = torch.stack([number[at, a], number[at, b]])
    _, track = sprite.unique(return_inverse=True)
    onward = edges_through_time(frame, track)
    pixels, size = pos[present], sizes[present]
    place = pixels / torch.tensor([WIDTH / 2, HEIGHT / 2]) - 1
    x = torch.cat([place, (size[:, None] - 7) / 2.5, _images()[0][digits[sprite]]], dim=1)
    steps = torch.cat([torch.zeros(within.size(1), 1), torch.ones(onward.size(1), 1)])
    return Clip(
        x=x,
        edge_index=torch.cat([within, onward], 1),
        edge_attr=steps,
        frame=frame,
        num_frames=frames,
        track=track,
        num_tracks=int(track.max()) + 1,
        pos=pixels,
        sprite_size=size,
        canvas=torch.tensor([[HEIGHT, WIDTH]]),
        y=torch.tensor([label]),
    ).checked()


def write_digit_videos(folder: Path, per_class: int = 4, suffix: str = ".mp4", seed: int = 0) -> None:
    """Render clips to video files, one subfolder per class, as `load` takes them (extra `video`).

    Args:
        folder: where to; made if need be.
        per_class: how many videos of each class.
        suffix: .mp4, .avi, .gif, .webm or .mkv.
        seed: of the clips and the noise of their background.
    """
    generator = torch.Generator().manual_seed(seed)
    for label, name in enumerate(CLASSES):
        place = Path(folder) / name.replace(" ", "-")
        place.mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            write_video(render(dance(label, generator), generator), place / f"{number:03}{suffix}")
