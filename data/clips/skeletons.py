"""Skeletons: which joints are joined by a bone, and which are each other's mirror image."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from graphreel.core.checks import invalid_index


@dataclass(frozen=True)
class Skeleton:
    """Bones between joints, in one direction each, and pairs of joints (left, right) that a mirror swaps.

    With several people every one has these joints: joint j of person m is node m * joints + j. People stand from left
    to right, so a mirror swaps them too.
    """

    name: str
    joints: int
    bones: tuple[tuple[int, int], ...]
    pairs: tuple[tuple[int, int], ...] = ()
    people: int = 1

    @property
    def nodes(self) -> int:
        """How many joints all people have."""
        return self.joints * self.people

    def edge_index(self) -> Tensor:
        """The bones of all people in both directions, [2, 2 * bones * people]."""
        one_way = torch.tensor(self.bones, dtype=torch.long).view(-1, 2).t()
        start = self.joints * torch.arange(self.people)
        own = torch.cat([one_way, one_way.flip(0)], dim=1)
        return (own[:, None] + start[:, None]).flatten(1)

    def parents(self) -> Tensor:
        """For every node the neighbour on its way to its person's joint 0; itself for that, and where no way leads."""
        source, target = self.edge_index()
        first = self.joints * torch.arange(self.people)
        parent, reached = torch.arange(self.nodes), torch.zeros(self.nodes, dtype=torch.bool)
        reached[first] = True
        while (onward := reached[source] & ~reached[target]).any():
            parent.scatter_reduce_(0, target[onward], source[onward], "amin", include_self=False)
            reached[target[onward]] = True
        return parent

    def mirrored(self) -> Tensor:
        """For every node the one that takes its place in a mirror, [nodes]."""
        order = torch.arange(self.joints)
        for left, right in self.pairs:
            order[left], order[right] = right, left
        return (self.joints * torch.arange(self.people).flip(0)[:, None] + order).flatten()


JHMDB_15 = Skeleton(
    "JHMDB-15",  # neck, belly, face, then right and left: shoulder, hip, elbow, knee, wrist, ankle
    15,
    (
        *((0, 1), (0, 2), (0, 3), (0, 4), (1, 5), (1, 6), (3, 7), (7, 11), (4, 8), (8, 12), (5, 9), (9, 13)),
        *((6, 10), (10, 14)),
    ),
    ((4, 3), (6, 5), (8, 7), (10, 9), (12, 11), (14, 13)),
)
COCO_17 = Skeleton(
    "COCO-17",  # nose, then left and right: eye, ear, shoulder, elbow, wrist, hip, knee, ankle
    17,
    (
        *((0, 1), (0, 2), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10)),
        *((5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16)),
    ),
    ((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
)
NTU_25 = Skeleton(
    "NTU-25",  # Kinect v2: base and middle of the spine, neck, head, arms, legs, upper spine (20), hands
    25,
    (
        *((0, 1), (1, 20), (2, 20), (3, 2), (4, 20), (5, 4), (6, 5), (7, 6), (8, 20), (9, 8), (10, 9), (11, 10)),
        *((12, 0), (13, 12), (14, 13), (15, 14), (16, 0), (17, 16), (18, 17), (19, 18)),
        *((21, 22), (22, 7), (23, 24), (24, 11)),
    ),
    ((4, 8), (5, 9), (6, 10), (7, 11), (12, 16), (13, 17), (14, 18), (15, 19), (21, 23), (22, 24)),
)
OPENPOSE_18 = Skeleton(
    "OpenPose-18",  # nose, neck, right then left arm, right then left leg, eyes and ears (right, left)
    18,
    (
        *((0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12)),
        *((12, 13), (0, 14), (0, 15), (14, 16), (15, 17)),
    ),
    ((5, 2), (6, 3), (7, 4), (11, 8), (12, 9), (13, 10), (15, 14), (17, 16)),
)
OPENPOSE_25 = Skeleton(
    "OpenPose-25",  # as 18, with the middle of the hips (8) and six points of the feet
    25,
    (
        *((0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (10, 11), (8, 12)),
        *((12, 13), (13, 14), (0, 15), (0, 16), (15, 17), (16, 18), (14, 19), (19, 20), (14, 21)),
        *((11, 22), (22, 23), (11, 24)),
    ),
    ((5, 2), (6, 3), (7, 4), (12, 9), (13, 10), (14, 11), (16, 15), (18, 17), (19, 22), (20, 23), (21, 24)),
)
BLAZEPOSE_33 = Skeleton(
    "BlazePose-33",  # nose, eyes, ears, mouth, then left and right: arms, hands, legs, feet
    33,
    (
        *((0, 1), (1, 2), (2, 3), (3, 7), (0, 4), (4, 5), (5, 6), (6, 8), (9, 10), (0, 9), (0, 10), (0, 11), (0, 12)),
        *((11, 12), (11, 13), (13, 15), (15, 17), (15, 19), (15, 21), (17, 19), (12, 14), (14, 16), (16, 18)),
        *((16, 20), (16, 22), (18, 20), (11, 23), (12, 24), (23, 24), (23, 25), (25, 27), (27, 29), (27, 31)),
        *((29, 31), (24, 26), (26, 28), (28, 30), (28, 32), (30, 32)),
    ),
    (
        *((1, 4), (2, 5), (3, 6), (7, 8), (9, 10)),
        *((left, left + 1) for left in range(11, 33, 2)),
    ),
)
KINECT_20 = Skeleton(
    "Kinect-20",  # hip centre, spine, shoulder centre, head, left and right arm, left and right leg
    20,
    (
        *((0, 1), (1, 2), (2, 3), (2, 4), (4, 5), (5, 6), (6, 7), (2, 8), (8, 9), (9, 10), (10, 11)),
        *((0, 12), (12, 13), (13, 14), (14, 15), (0, 16), (16, 17), (17, 18), (18, 19)),
    ),
    ((4, 8), (5, 9), (6, 10), (7, 11), (12, 16), (13, 17), (14, 18), (15, 19)),
)
HAND_21 = Skeleton(
    "hand-21",  # wrist, then thumb, index, middle, ring and little finger, from the palm outwards
    21,
    (
        *((0, 1), (0, 5), (0, 9), (0, 13), (0, 17)),
        *((joint, joint + 1) for first in (1, 5, 9, 13, 17) for joint in range(first, first + 3)),
    ),
)
_KNOWN = (JHMDB_15, COCO_17, OPENPOSE_18, KINECT_20, HAND_21, NTU_25, OPENPOSE_25, BLAZEPOSE_33)
SKELETONS = {skeleton.joints: skeleton for skeleton in reversed(_KNOWN)}  # of two with as many joints the first


def skeleton_of(
    joints: int,
    edges: Tensor | None = None,
    source: str = "the keypoints",
    pairs: Tensor | None = None,
    name: str | None = None,
    people: int = 1,
) -> Skeleton:
    """The skeleton with these edges [2, bones] or [bones, 2], the known one of a name, or the one with so many joints.

    Edges that are a known skeleton's bones make that one, which also knows left from right.

    Args:
        source: what the joints are called in an error.
        pairs: [pairs, 2], joints that a mirror swaps.
        name: of a known skeleton.
        people: how many people there are.

    Raises:
        ValueError: edges, pairs or a name that do not fit the joints, or no built-in skeleton has so many.
    """
    known = ", ".join(f"{s.name} ({s.joints})" for s in _KNOWN)
    if name is not None:
        plain = _plain(name).replace("kinect25", "ntu25")
        found = next((s for s in _KNOWN if _plain(s.name) == plain), None)
        if found is None or found.joints != joints:
            raise ValueError(f"{source} have {joints} joints and the skeleton {name!r}: expected one of {known}")
    elif edges is None:
        if joints not in SKELETONS:
            raise ValueError(f"{source} have {joints} joints, no built-in skeleton has: {known}; add `edges`")
        found = SKELETONS[joints]
    else:
        bones = _undirected(_joint_pairs(edges, joints, f"edges of {source}", "bones").tolist())
        given = Skeleton("given", joints, tuple(bones))
        found = next((s for s in _KNOWN if s.joints == joints and _undirected(s.bones) == bones), given)
    if pairs is not None:
        swapped = _joint_pairs(pairs, joints, f"pairs of {source}", "pairs").tolist()
        if len({joint for pair in swapped for joint in pair}) != 2 * len(swapped):
            raise ValueError(f"pairs of {source} hold a joint twice: a joint has one mirror image")
        found = replace(found, pairs=tuple((a, b) for a, b in swapped))
    return replace(found, people=people) if people != 1 else found


def _joint_pairs(given: Tensor, joints: int, what: str, of: str) -> Tensor:
    if given.dim() != 2 or 2 not in given.shape:
        raise ValueError(f"{what} must be [2, {of}] or [{of}, 2], got {list(given.shape)}")
    pairs = given if given.size(1) == 2 and given.size(0) != 2 else given.t()
    joint = invalid_index(pairs, joints)
    if joint is not None:
        raise ValueError(f"{what} hold joint {joint}, but there are {joints} joints")
    return pairs


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _undirected(bones: Iterable[Sequence[int]]) -> list[tuple[int, int]]:
    return sorted({(min(a, b), max(a, b)) for a, b in bones if a != b})
