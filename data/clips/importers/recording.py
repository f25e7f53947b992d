"""What every format of keypoints is read into, and the people in it followed through time."""

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

_FAR = 0.6  # of its own size: further than this from where it was, somebody is somebody else
_GONE = 30  # frames after which somebody who was not seen does not come back


@dataclass(frozen=True)
class Seen:
    """A person in a frame: joints [joints, 2 or 3], scores [joints], 0 where one is missing, and who, if known."""

    joints: np.ndarray
    scores: np.ndarray
    who: str | None = None

    @classmethod
    def of(cls, rows: np.ndarray, who: object = None) -> "Seen":
        """Of rows (x, y, score); a joint at 0, 0 is missing."""
        rows = rows.astype(np.float64).reshape(-1, 3)
        there = rows[:, :2].any(1) & np.isfinite(rows).all(1)
        return cls(rows[:, :2], np.where(there, rows[:, 2], 0.0), None if who is None else str(who))


@dataclass(frozen=True)
class Recording:
    """The people in each frame of a clip, and what the file says of their joints.

    Attributes:
        frames: of each frame the people.
        depth: whether the third coordinate is there.
        skeleton: the name of a known one.
        edges, pairs: bones and joints that a mirror swaps, where the file says.
        notes: what was guessed.
    """

    frames: list[list[Seen]]
    depth: bool = False
    skeleton: str | None = None
    edges: list[tuple[int, int]] | None = None
    pairs: list[tuple[int, int]] | None = None
    notes: list[str] = field(default_factory=list)

    def people(self) -> list[dict[int, Seen]]:
        """Everybody, by frame, those seen longest first: by `who`, else by the least ways from frame to frame."""
        known: dict[str, dict[int, Seen]] = {}
        followed: list[dict[int, Seen]] = []
        for t, seen in enumerate(self.frames):
            for one in seen:
                if one.who is not None and one.scores.any():
                    known.setdefault(one.who, {})[t] = one
            rest = [one for one in seen if one.who is None and one.scores.any()]
            alive = [person for person in followed if t - max(person) <= _GONE]
            ways = np.array([[_way(person[max(person)], one) for one in rest] for person in alive])
            met = set()
            for row, column in zip(*linear_sum_assignment(ways), strict=True) if ways.size else ():
                if ways[row, column] < _FAR:
                    alive[row][t] = rest[column]
                    met.add(column)
            followed += [{t: one} for column, one in enumerate(rest) if column not in met]
        return sorted([*known.values(), *followed], key=lambda person: -len(person))

    def arrays(self, people: int) -> tuple[np.ndarray, np.ndarray]:
        """Joints [frames, people, joints, 2 or 3], NaN where missing, and scores, of those seen longest, left to right.

        Raises:
            ValueError: nobody is in any frame, or people with different numbers of joints.
        """
        kept = self.people()[:people]
        if not kept:
            raise ValueError("nobody is in any frame")
        kept.sort(key=lambda person: float(np.mean([_middle(one)[0] for one in person.values()])))
        shapes = {one.joints.shape for person in kept for one in person.values()}
        if len(shapes) > 1:
            raise ValueError(f"people have {' and '.join(str(joints) for joints, _ in sorted(shapes))} joints")
        joints = np.full((len(self.frames), people, *shapes.pop()), np.nan, dtype=np.float64)
        scores = np.zeros(joints.shape[:3], dtype=np.float64)
        for number, person in enumerate(kept):
            for t, one in person.items():
                joints[t, number] = np.where(one.scores[:, None] > 0, one.joints, np.nan)
                scores[t, number] = one.scores
        return joints, scores


def _middle(one: Seen) -> np.ndarray:
    return one.joints[one.scores > 0].mean(0)


def _way(before: Seen, after: Seen) -> float:
    """How far joints went on average, in sizes of the person; how far their middles where no joint is in both."""
    there = before.joints[before.scores > 0]
    size = max(float(np.linalg.norm(there.max(0) - there.min(0))), 1e-6)
    both = (before.scores > 0) & (after.scores > 0) if len(before.scores) == len(after.scores) else np.zeros(1, bool)
    if not both.any():
        return float(np.linalg.norm(_middle(before) - _middle(after))) / size
    return float(np.linalg.norm(before.joints[both] - after.joints[both], axis=1).mean()) / size
