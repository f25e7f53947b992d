"""From keypoints to clips: normalisation, features, the graph, and variations for training."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import torch
from torch import Tensor

from .clip import Clip
from .keypoint_motion import Variation, about_middle, mirrored, near_zero, own_about, resampled, size_of
from .skeletons import Skeleton

_STEPS = (1, 2)  # frames from the start of a step to its end
_GESTURES = (1, 2, 4)
_SHORT = 0.05  # bodies below which a bone's direction counts less
_SMALL = 0.02  # bodies that a small gesture goes in a frame


@dataclass(frozen=True)
class KeypointReader:
    r"""Makes clips of keypoints [frames, joints, 2 or 3].

    A node is a joint in a frame; where it is missing (not finite, or with a score of 0) there is no node. Features:
    the joint's place about the middle of its frame, the middle's own way since the start, with distances=True how far
    it is from every joint of its frame, with bones=True the bone b to it from its neighbour on the way to joint 0, its
    length and its direction b / (|b| + 0.05), with velocity=True the steps to the next frame and to the one after
    next, with gestures=True its steps s to the frames that are 1, 2 and 4 further, about the mean step of the joints
    and squashed,

    .. math:: s / \sqrt{|s|^2 + 0.02^2 k} \quad \text{for the one } k \text{ frames further},

    so that small ones are seen beside large ones, and which joint it is (one-hot). Places and steps are divided by the
    size of the body, the mean distance of joints from the middle over the clip. Edges: bones in both directions, and
    every joint to itself in the next frame. With `frames` every clip is read at so many moments, evenly spread over it.
    """

    skeleton: Skeleton
    velocity: bool = True
    distances: bool = False
    bones: bool = False
    gestures: bool = False
    frames: int = 0
    variation: Variation = field(default_factory=Variation)

    def clip(self, keypoints: Tensor, label: int | None = None, scores: Tensor | None = None) -> Clip:
        """Make one clip. Keypoints far off zero are brought near it first, see `near_zero`: float64 keeps their steps.

        Raises:
            ValueError: no frames, another number of joints than the skeleton's, or no joint that is there.
        """
        if keypoints.dim() != 3 or keypoints.size(0) == 0:
            raise ValueError(f"keypoints must be [frames, joints, 2 or 3] with frames, got {list(keypoints.shape)}")
        if keypoints.size(1) != self.skeleton.nodes:
            raise ValueError(
                f"keypoints have {keypoints.size(1)} joints, but the skeleton {self.skeleton.name} has "
                f"{self.skeleton.nodes}"
            )
        present = torch.isfinite(keypoints).all(2)
        if scores is not None:
            present &= scores > 0
        if not present.any():
            raise ValueError("keypoints hold no joint in any frame: all are missing")
        places = near_zero(torch.where(present[..., None], keypoints, 0.0)[None], present[None]).float()
        present = present[None]
        if self.frames:
            spans = torch.tensor([[0.0, keypoints.size(0) - 1.0]])
            places, present = resampled(places, present, spans, torch.tensor([self.frames]))
        clip = self._joined(places, present, torch.tensor([places.size(1)]))
        clip.num_frames, clip.num_tracks = places.size(1), self.skeleton.nodes
        clip.num_people = self.skeleton.people
        if label is not None:
            clip.y = torch.tensor([label])
        return clip.checked()

    def varied(self, clips: Sequence[Clip], generator: torch.Generator, kept: slice = slice(None)) -> Clip:
        """Variations of training clips, joined to one batch; of those that are kept alone, which vary as among all."""
        places, present, lengths = self._apart(clips)
        places, present, lengths = self.variation(places, present, lengths, self.skeleton, self.frames, generator)
        return self._joined(places[kept], present[kept], lengths[kept], clips[kept])

    def mirrored(self, clips: Sequence[Clip]) -> Clip:
        """The mirror images of clips, joined to one batch; where no joints are pairs, none swap sides."""
        places, present, lengths = self._apart(clips)
        all_of_them = torch.ones(len(places), dtype=torch.bool)
        return self._joined(*mirrored(places, present, self.skeleton, all_of_them), lengths, clips)

    @property
    def mirror(self) -> Callable[[Sequence[Clip]], Clip] | None:
        """`mirrored`, or None where nothing says which joints swap sides."""
        return self.mirrored if self.skeleton.pairs else None

    def timeless(self, dimensions: int) -> Tensor:
        """Which features say nothing of time: all but velocities and gestures."""
        first = (2 if self.skeleton.people == 1 else 3) * dimensions + (self.skeleton.nodes if self.distances else 0)
        first += 2 * dimensions + 1 if self.bones else 0
        moving = dimensions * ((len(_STEPS) if self.velocity else 0) + (len(_GESTURES) if self.gestures else 0))
        columns = torch.arange(first + moving + self.skeleton.nodes)
        return columns[(columns < first) | (columns >= first + moving)]

    def _apart(self, clips: Sequence[Clip]) -> tuple[Tensor, Tensor, Tensor]:
        """Places [clips, longest, joints, dimensions] of clips, which of them are there, and how long each clip is."""
        lengths = torch.tensor([int(clip.num_frames) for clip in clips])
        number = torch.repeat_interleave(torch.arange(len(clips)), torch.tensor([len(clip.frame) for clip in clips]))
        where = number, torch.cat([clip.frame for clip in clips]), torch.cat([clip.track for clip in clips])
        places = torch.zeros(len(clips), int(lengths.max()), self.skeleton.nodes, clips[0].pos.size(1))
        present = torch.zeros(places.shape[:3], dtype=torch.bool)
        places[where], present[where] = torch.cat([clip.pos for clip in clips]), True
        return places, present, lengths

    def _joined(self, places: Tensor, present: Tensor, lengths: Tensor, labelled: Sequence[Clip] = ()) -> Clip:
        """A batch of clips of places [clips, frames, joints, dimensions], of which `lengths` frames are real.

        What PyG's `Batch` makes of clips one by one, made at once; with the labels of those that are `labelled`.
        """
        joints = self.skeleton.nodes
        complete = bool(present.all())
        if complete and self.skeleton.people == 1:
            edge_index, steps = _edges_of_all(self.skeleton, *places.shape[:2])
        else:
            edge_index, steps = self._edges(places, present)
        clip, frame, joint = present.nonzero(as_tuple=True)
        x = self._features(places, present)
        batch = Clip(
            x=x.flatten(0, 2) if complete else x[present],
            edge_index=edge_index,
            edge_attr=steps,
            frame=frame + (lengths.cumsum(0) - lengths)[clip],
            num_frames=lengths,
            track=joint + clip * joints,
            num_tracks=torch.full((len(places),), joints),
            num_people=torch.full((len(places),), self.skeleton.people),
            pos=places[present],
        )
        if labelled and labelled[0].get("y") is not None:
            batch.y = torch.cat([clip.y for clip in labelled])
        return batch

    def _features(self, places: Tensor, present: Tensor) -> Tensor:
        """Features of every joint in every frame, [clips, frames, joints, features], also where it is missing."""
        mask = present[..., None].float()
        middle, about = about_middle(places, mask)
        size = size_of(own_about(places, mask, self.skeleton.people), mask)
        first = present.any(2).int().argmax(1)
        start = middle[torch.arange(len(places)), first][:, None]
        features = [about / size, ((middle - start) / size).expand_as(places)]
        if self.skeleton.people > 1:
            features.append(own_about(places, mask, self.skeleton.people) / size)
        if self.distances:
            between = torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist")
            features.append(between * mask * mask.transpose(2, 3) / size)
        if self.bones:
            parent = self.skeleton.parents()
            bone = (places - places[:, :, parent]) * mask * mask[:, :, parent] / size
            length = bone.norm(dim=3, keepdim=True)
            features += [bone, length, bone / (length + _SHORT)]
        if self.velocity:
            features += [_steps(places, mask, lag)[0] / size for lag in _STEPS]
        if self.gestures:
            for lag in _GESTURES:
                step, both = _steps(places, mask, lag)
                mean = step.sum(2, keepdim=True) / both.sum(2, keepdim=True).clamp(min=1)
                own = (step - mean) * both / size
                features.append(own / (own.square().sum(3, keepdim=True) + _SMALL**2 * lag).sqrt())
        features.append(torch.eye(self.skeleton.nodes).expand(*places.shape[:2], -1, -1))
        return torch.cat(features, dim=3)

    def _edges(self, places: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
        number = (present.flatten().cumsum(0) - 1).view(present.shape)
        return _joined_edges(self.skeleton, present, number, self._nearest(places, present, number))

    def _nearest(self, places: Tensor, present: Tensor, number: Tensor) -> Tensor:
        """Edges from every joint to the nearest one of each other person in its frame, in both directions."""
        people, joints = self.skeleton.people, self.skeleton.joints
        found = [torch.zeros(2, 0, dtype=torch.long)]
        for one, other in itertools.permutations(range(people), 2):
            own, theirs = (slice(person * joints, (person + 1) * joints) for person in (one, other))
            far = torch.cdist(places[:, :, own], places[:, :, theirs])
            far = far.masked_fill(~present[:, :, None, theirs], torch.inf)
            least, nearest = far.min(3)
            there = present[:, :, own] & least.isfinite()
            ends = torch.stack([number[:, :, own][there], number[:, :, theirs].gather(2, nearest)[there]])
            found += [ends, ends.flip(0)]
        nodes = number.numel()
        source, target = torch.cat(found, dim=1)
        pairs = (source * nodes + target).unique()
        return torch.stack([pairs // nodes, pairs % nodes])


@lru_cache(maxsize=8)
def _edges_of_all(skeleton: Skeleton, clips: int, frames: int) -> tuple[Tensor, Tensor]:
    """The edges of clips of one person without missing joints: the same tensors each time, sorted once."""
    present = torch.ones(clips, frames, skeleton.nodes, dtype=torch.bool)
    number = torch.arange(present.numel()).view(present.shape)
    return _joined_edges(skeleton, present, number, torch.zeros(2, 0, dtype=torch.long))


def _joined_edges(skeleton: Skeleton, present: Tensor, number: Tensor, between: Tensor) -> tuple[Tensor, Tensor]:
    """Edges [2, edges] along bones, `between` people and to the next frame, and how many frames each spans [edges, 1].

    Shapes: present and number, whether a joint is there and its number among those that are, [clips, frames, joints].
    """
    source, target = skeleton.edge_index()
    clip, at, bone = (present[..., source] & present[..., target]).nonzero(as_tuple=True)
    within = torch.stack([number[clip, at, source[bone]], number[clip, at, target[bone]]])
    clip, at, joint = (present[:, :-1] & present[:, 1:]).nonzero(as_tuple=True)
    onward = torch.stack([number[clip, at, joint], number[clip, at + 1, joint]])
    steps = torch.cat([torch.zeros(within.size(1) + between.size(1), 1), torch.ones(onward.size(1), 1)])
    return torch.cat([within, between, onward], dim=1), steps


def _steps(places: Tensor, mask: Tensor, lag: int) -> tuple[Tensor, Tensor]:
    """The steps of joints to the frame that is `lag` further, 0 where a joint is not in both, and whether it is."""
    both = torch.zeros_like(mask)
    both[:, :-lag] = mask[:, :-lag] * mask[:, lag:]
    return (places.roll(-lag, dims=1) - places) * both, both
