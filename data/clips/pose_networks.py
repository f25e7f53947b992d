"""BlazePose run by LiteRT: people in a picture, and the 33 joints of each (Bazarevsky et al., 2020)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .optical_flow import require_opencv
from .pose_model import pose_model, require_litert

DETECTED = 224  # pixels along each side of what the detector reads
READ = 256  # and of what the landmark network reads
JOINTS = 33
_STRIDES = (8, 16, 32, 32, 32)
_OVERLAP = 0.3  # intersection over union from which two boxes are one person
_MARGIN = 1.25


@dataclass(frozen=True)
class Region:
    """A turned square in a picture: its middle, side and angle, in pixels and radians."""

    middle: np.ndarray
    side: float
    angle: float

    @classmethod
    def of(cls, hips: np.ndarray, end: np.ndarray) -> "Region":
        """The square around a person whose circle has its middle at the hips and goes through `end`, upright."""
        dx, dy = end - hips
        return cls(hips, 2 * float(np.hypot(dx, dy)) * _MARGIN, float(np.pi / 2 - np.arctan2(-dy, dx)))

    def matrix(self, size: int) -> np.ndarray:
        """The affine map [2, 3] from pixels of the square's own picture, size x size, to those of the whole one."""
        scale = self.side / size
        cos, sin = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        turn = np.array([[cos, -sin], [sin, cos]])
        return np.concatenate([turn, (self.middle - turn @ np.full(2, size / 2))[:, None]], axis=1)


@dataclass(frozen=True)
class Pose:
    """Joints of a person [33, 3], x and y in pixels and depth at their scale; scores [33]; where they go on."""

    joints: np.ndarray
    scores: np.ndarray
    presence: float
    region: Region


class PoseNetworks:
    """The detector and the landmark network of one thread.

    Args:
        model: see `pose_model`.

    Raises:
        ValueError, FileNotFoundError: LiteRT or OpenCV is not installed, or the model is not there.
    """

    def __init__(self, model: str | Path | None = None) -> None:
        interpreter = require_litert()
        files = pose_model(model)
        self.cv2 = require_opencv()
        self._detector = _ready(interpreter, files["pose_detection.tflite"])
        self._landmarks = _ready(interpreter, files["pose_landmark_full.tflite"])
        self._anchors = anchors()

    def detect(self, picture: np.ndarray, least: float = 0.5) -> list[tuple[float, Region]]:
        """People in a picture uint8 [height, width, 3]: (score, region), the surest first.

        A picture that is wider than high is also read in squares: the detector was trained for one person at a time.
        """
        height, width = picture.shape[:2]
        side = min(height, width)
        squares = [(0, 0, width, height)]
        if max(height, width) > 1.15 * side:
            starts = np.linspace(0, max(height, width) - side, 2 + int(max(height, width) > 2 * side)).round()
            squares += [(int(s), 0, side, side) if width > height else (0, int(s), side, side) for s in starts]
        found = [self._detect(picture[y : y + h, x : x + w], least, x, y) for x, y, w, h in squares]
        scores, boxes, points = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return [(float(scores[i]), Region.of(points[i, 0], points[i, 1])) for i in kept_boxes(scores, boxes)]

    def _detect(
        self, picture: np.ndarray, least: float, left: int, top: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores [n], boxes [n, 4] (left, top, right, bottom) and key points [n, 4, 2], in pixels of the whole."""
        height, width = picture.shape[:2]
        side = max(height, width)
        corner = np.array([(side - width) / 2, (side - height) / 2])
        scale = side / DETECTED
        matrix = np.array([[scale, 0, -corner[0]], [0, scale, -corner[1]]])
        raw, logits = _run(self._detector, self._cut(picture, matrix, DETECTED) * 2 - 1)[:2]
        raw, logits = raw.reshape(-1, 12), logits.reshape(-1)
        sure = logits > np.log(least / (1 - least))
        values = raw[sure] / DETECTED
        shift = np.array([left, top]) - corner
        middle = values[:, :2] + self._anchors[sure]
        points = values[:, 4:].reshape(-1, 4, 2) + self._anchors[sure][:, None]
        half = values[:, 2:4] / 2
        boxes = np.concatenate([middle - half, middle + half], axis=1) * side + np.tile(shift, 2)
        return 1 / (1 + np.exp(-logits[sure])), boxes, points * side + shift

    def pose(self, picture: np.ndarray, region: Region) -> Pose:
        """The joints of the person in a region of a picture uint8 [height, width, 3]."""
        matrix = region.matrix(READ)
        outputs = _run(self._landmarks, self._cut(picture, matrix, READ))
        values = next(o for o in outputs if o.size == 195).reshape(39, 5)
        presence = float(next(o for o in outputs if o.size == 1).reshape(()))
        places = values[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        depth = values[:, 2:3] * region.side / READ
        scores = 1 / (1 + np.exp(-np.minimum(values[:, 3], values[:, 4]).clip(-30, 30)))
        joints = np.concatenate([places[:JOINTS], depth[:JOINTS]], axis=1)
        return Pose(joints, scores[:JOINTS], presence, Region.of(places[33], places[34]))

    def _cut(self, picture: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
        flags = self.cv2.INTER_LINEAR | self.cv2.WARP_INVERSE_MAP
        return self.cv2.warpAffine(picture, matrix, (size, size), flags=flags).astype(np.float32) / 255


def anchors() -> np.ndarray:
    """The middles of the detector's 2254 anchors, 0 .. 1, [anchors, 2]: two a layer in every cell."""
    parts = []
    for stride in sorted(set(_STRIDES)):
        cells = DETECTED // stride
        y, x = np.mgrid[:cells, :cells]
        middles = (np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) / cells
        parts.append(np.repeat(middles, 2 * _STRIDES.count(stride), axis=0))
    return np.concatenate(parts)


def kept_boxes(scores: np.ndarray, boxes: np.ndarray, overlap: float = _OVERLAP) -> list[int]:
    """Non-maximum suppression: of overlapping boxes [n, 4] (two corners) the surest."""
    kept: list[int] = []
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for i in np.argsort(-scores, kind="stable").tolist():
        low, high = np.maximum(boxes[kept, :2], boxes[i, :2]), np.minimum(boxes[kept, 2:], boxes[i, 2:])
        both = (high - low).clip(min=0).prod(1)
        if not (both > overlap * (area[kept] + area[i] - both)).any():
            kept.append(i)
    return kept


def _ready(interpreter: Any, file: Path) -> Any:
    made = interpreter(model_path=str(file), num_threads=1)
    made.allocate_tensors()
    return made


def _run(network: Any, picture: np.ndarray) -> list[np.ndarray]:
    network.set_tensor(network.get_input_details()[0]["index"], picture[None])
    network.invoke()
    return [network.get_tensor(output["index"]) for output in network.get_output_details()]
