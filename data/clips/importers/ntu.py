"""NTU RGB+D's .skeleton: Kinect's 25 joints of each body in three dimensions (Shahroudy et al., 2016)."""

from pathlib import Path

import numpy as np

from .recording import Recording, Seen


def read(path: Path) -> Recording:
    """One clip: how many frames; of each how many bodies; of each its id and nine more, 25, and a line a joint.

    Of a joint's line the first three are its place in metres, the last how it was tracked: 0 is not at all.

    Raises:
        ValueError: the file ends early, or holds what is no number.
    """
    words = iter(path.read_text(encoding="utf-8", errors="replace").split())
    try:
        frames: list[list[Seen]] = []
        for _ in range(int(next(words))):
            seen = []
            for _ in range(int(next(words))):
                who = next(words)
                for _ in range(9):
                    next(words)
                rows = [[float(next(words)) for _ in range(12)] for _ in range(int(next(words)))]
                joints = np.array(rows, dtype=np.float64)
                seen.append(Seen(joints[:, :3], (joints[:, 11] > 0).astype(np.float64), who))
            frames.append(seen)
    except (ValueError, StopIteration):
        raise ValueError(f"{path.name} is not a whole .skeleton of NTU RGB+D") from None
    return Recording(frames, depth=True, skeleton="NTU-25")
