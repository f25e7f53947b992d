"""Small data files, the same on every machine: their noise is drawn in whole numbers."""

import json
import math
from pathlib import Path

import numpy as np

SENTENCES = (
    "The miller's youngest son found a spindle by the well.",
    "Nobody in the castle had seen the fox that night!",
    "She asked the raven for the way, and the raven answered.",
    "Seven years he walked; the eighth he slept.",
)


class Noise:
    """Uniform draws from -1 to 1, in thousandths, by a linear congruential generator."""

    def __init__(self, seed: int):
        self.state = seed

    def __call__(self) -> float:
        self.state = (self.state * 1_103_515_245 + 12_345) % 2**31
        return ((self.state >> 8) % 2001 - 1000) / 1000


def write_inputs(folder: Path) -> None:
    """Write book.txt, clips.npz and sentences.csv (labelled), clip.npz, sensors.csv, sensors_adj.csv, series.json."""
    _book(folder / "book.txt")
    _clips(folder / "clips.npz", 24, labelled=True)
    _clips(folder / "clip.npz", 2, labelled=False)
    sensors = _waves(90, 3, 1)
    lines = ["north,east,south", *(",".join(map(str, row)) for row in sensors)]
    (folder / "sensors.csv").write_text("\n".join(lines) + "\n")
    (folder / "sensors_adj.csv").write_text("0,1,0.5\n1,0,0\n0.5,0.25,0\n")
    rows = [f"{SENTENCES[n % 4]} {SENTENCES[n // 4 % 4]},{'ab'[n % 2]}" for n in range(24)]
    (folder / "sentences.csv").write_text("\n".join(["text,label", *rows]).replace(", ", " ") + "\n")
    edges = [[0, 1], [1, 2], [2, 3], [3, 0], [1, 0]]
    series = {"edges": edges, "node_ids": {"a": 0, "b": 1, "c": 2, "d": 3}, "FX": _waves(80, 4, 2)}
    (folder / "series.json").write_text(json.dumps(series))


def _book(path: Path) -> None:
    noise = Noise(3)
    chosen = [SENTENCES[int((noise() + 1) * 1.9999)] for _ in range(60)]
    path.write_text("\n".join(chosen) + "\n")


def _clips(path: Path, count: int, labelled: bool) -> None:
    """Five joints that go to the right, or upwards, over 5 to 7 frames."""
    noise, frames, lengths = Noise(4), [], []
    for clip in range(count):
        lengths.append(5 + clip % 3)
        for step in range(lengths[-1]):
            there = (step / 4, 0.0) if clip % 2 == 0 else (0.0, step / 4)
            frames.append([[joint / 2 + there[0] + noise() / 4, there[1] + noise() / 4] for joint in range(5)])
    arrays = {"keypoints": np.array(frames), "lengths": np.array(lengths)}
    arrays["edges"] = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
    if labelled:
        arrays["labels"] = np.arange(count) % 2
    np.savez_compressed(path, **arrays)


def _waves(steps: int, nodes: int, seed: int) -> list[list[float]]:
    noise = Noise(seed)
    return [[round(10 + 3 * math.sin(step / 4 + node) + noise(), 4) for node in range(nodes)] for step in range(steps)]
