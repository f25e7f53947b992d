"""From keypoints to a clip: normalisation, features, the graph, and variations for training."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from data.clips import Clip
from data.skeletons import Skeleton


@dataclass(frozen=True)
class KeypointReader:
    """Makes clips of keypoints [frames, joints, 2 or 3].

    A node is a joint in a frame; where it is missing (not finite, or with a score of 0) there is no node. Features:
    the joint's place about the middle of its frame, the middle's own way since the start, with distances=True how far
    it is from every joint of its frame, with velocity=True the steps to the next frame and to the one after next, and
    which joint it is (one-hot). Places are divided by the size of the
    body, the mean distance of joints from the middle over the clip. Edges: bones in both directions, and every joint to
    itself in the next frame.
    """

    skeleton: Skeleton
    velocity: bool = True
    distances: bool = False

    def clip(self, keypoints: Tensor, label: int | None = None, scores: Tensor | None = None) -> Clip:
        """Make one clip.

        Raises:
            ValueError: no frames, another number of joints than the skeleton's, or no joint that is there.
        """
        if keypoints.dim() != 3 or keypoints.size(0) == 0:
            raise ValueError(f"keypoints must be [frames, joints, 2 or 3] with frames, got {list(keypoints.shape)}")
        frames, joints, _ = keypoints.shape
        if joints != self.skeleton.joints:
            raise ValueError(
                f"keypoints have {joints} joints, but the skeleton {self.skeleton.name} has {self.skeleton.joints}"
            )
        present = torch.isfinite(keypoints).all(2)
        if scores is not None:
            present &= scores > 0
        if not present.any():
            raise ValueError("keypoints hold no joint in any frame: all are missing")
        places = torch.where(present[..., None], keypoints, torch.zeros_like(keypoints)).float()
        x = self._features(places, present)
        frame, joint = present.nonzero(as_tuple=True)
        edge_index, steps = self._edges(present)
        clip = Clip(
            x=x[present],
            edge_index=edge_index,
            edge_attr=steps,
            frame=frame,
            num_frames=frames,
            track=joint,
            num_tracks=joints,
            pos=places[present],
        )
        if label is not None:
            clip.y = torch.tensor([label])
        return clip.checked()

    def timeless(self, dimensions: int) -> Tensor:
        """Which features say nothing of time: all but the velocities."""
        first = 2 * dimensions + (self.skeleton.joints if self.distances else 0)
        moving = 2 * dimensions if self.velocity else 0
        columns = torch.arange(first + moving + self.skeleton.joints)
        return columns[(columns < first) | (columns >= first + moving)]

    def _features(self, places: Tensor, present: Tensor) -> Tensor:
        seen = present[..., None].float()
        middle = (places * seen).sum(1, keepdim=True) / seen.sum(1, keepdim=True).clamp(min=1)
        about = (places - middle) * seen
        size = (about.norm(dim=2).sum() / seen.sum()).clamp(min=1e-6)
        first = int(present.any(1).nonzero()[0])
        features = [about / size, ((middle - middle[first]) / size).expand_as(places)]
        if self.distances:
            features.append(
                torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist")
                * seen
                * seen.transpose(1, 2)
                / size
            )
        if self.velocity:
            for lag in (1, 2):
                step = torch.zeros_like(places)
                both = seen[:-lag] * seen[lag:]
                step[: len(both)] = (places[lag:] - places[:-lag]) * both
                features.append(step / size)
        features.append(torch.eye(self.skeleton.joints).expand(len(places), -1, -1))
        return torch.cat(features, dim=2)

    def _edges(self, present: Tensor) -> tuple[Tensor, Tensor]:
        number = torch.full(present.shape, -1)
        number[present] = torch.arange(int(present.sum()))
        source, target = self.skeleton.edge_index()
        at, bone = (present[:, source] & present[:, target]).nonzero(as_tuple=True)
        within = torch.stack([number[at, source[bone]], number[at, target[bone]]])
        at, joint = (present[:-1] & present[1:]).nonzero(as_tuple=True)
        onward = torch.stack([number[at, joint], number[at + 1, joint]])
        steps = torch.cat([torch.zeros(within.size(1), 1), torch.ones(onward.size(1), 1)])
        return torch.cat([within, onward], dim=1), steps

    def varied(self, clip: Clip, generator: torch.Generator) -> Clip:
        """A variation of a training clip: turned, stretched, mirrored, cut and jittered a little."""
        frames, joints, dimensions = int(clip.num_frames), self.skeleton.joints, clip.pos.size(1)
        places = torch.full((frames, joints, dimensions), math.nan)
        places[clip.frame, clip.track] = clip.pos

        def draw(low: float, high: float) -> float:
            return low + (high - low) * float(torch.rand(1, generator=generator))

        if self.skeleton.pairs and draw(0, 1) < 0.5:
            places = places[:, self.skeleton.mirrored()] * torch.tensor([-1.0] + [1.0] * (dimensions - 1))
        angle = draw(-0.25, 0.25)
        turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        turn = turn @ torch.diag(torch.tensor([draw(0.85, 1.15), draw(0.85, 1.15)]))
        places = torch.cat([places[..., :2] @ turn, places[..., 2:]], dim=2)
        length = max(1, round(frames * draw(0.7, 1.0)))
        start = int(draw(0, frames - length + 1 - 1e-6))
        places = places[start : start + length]
        known = places[torch.isfinite(places).all(2)]
        if len(known) == 0:
            return clip
        places = places + 0.02 * known.std() * torch.randn(places.shape, generator=generator)
        return self.clip(places, int(clip.y))
