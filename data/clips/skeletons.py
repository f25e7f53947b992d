"""Skeletons: which joints are joined by a bone, and which are each other's mirror image."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from graphreel.core.checks import invalid_index


@dataclass(frozen=True)
class Skeleton:
    """Bones between joints, in one direction each, and pairs of joints (left, right) that a mirror swaps."""

    name: str
    joints: int
    bones: tuple[tuple[int, int], ...]
    pairs: tuple[tuple[int, int], ...] = ()

    def edge_index(self) -> Tensor:
        """The bones in both directions, [2, 2 * bones]."""
        one_way = torch.tensor(self.bones, dtype=torch.long).view(-1, 2).t()
        return torch.cat([one_way, one_way.flip(0)], dim=1)

    def parents(self) -> Tensor:
        """For every joint the neighbour on its way to joint 0, [joints]; itself for joint 0, and where no way leads."""
        source, target = self.edge_index()
        parent, reached = torch.arange(self.joints), torch.zeros(self.joints, dtype=torch.bool)
        reached[0] = True
        while (onward := reached[source] & ~reached[target]).any():
            parent.scatter_reduce_(0, target[onward], source[onward], "amin", include_self=False)
            reached[target[onward]] = True
        return parent

    def mirrored(self) -> Tensor:
        """For every joint the one that takes its place in a mirror, [joints]."""
        order = torch.arange(self.joints)
        for left, right in self.pairs:
            order[left], order[right] = right, left
        return order


JHMDB_15 = Skeleton(
    "JHMDB-15",  # neck, belly, face, then right and left: shoulder, hip, elbow, knee, wrist, ankle
    15,
    (
        (0, 1),
        (0, 2),
        (0, 3),
        (0, 4),
        (1, 5),
        (1, 6),
        (3, 7),
        (7, 11),
        (4, 8),
        (8, 12),
        (5, 9),
        (9, 13),
        (6, 10),
        (10, 14),
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
SKELETONS = {skeleton.joints: skeleton for skeleton in (JHMDB_15, COCO_17, NTU_25)}


def skeleton_of(joints: int, edges: Tensor | None = None, source: str = "the keypoints") -> Skeleton:
    """The skeleton with these edges [2, bones] or [bones, 2], or the built-in one with so many joints.

    Edges that are a built-in skeleton's bones make that one, which also knows left from right.

    Raises:
        ValueError: edges that do not fit the joints, or no built-in skeleton has so many.
    """
    if edges is None:
        if joints in SKELETONS:
            return SKELETONS[joints]
        known = ", ".join(f"{s.name} ({s.joints})" for s in SKELETONS.values())
        raise ValueError(f"{source} have {joints} joints, no built-in skeleton has: {known}; add `edges` to the file")
    if edges.dim() != 2 or 2 not in edges.shape:
        raise ValueError(f"edges of {source} must be [2, bones] or [bones, 2], got {list(edges.shape)}")
    pairs = edges if edges.size(1) == 2 and edges.size(0) != 2 else edges.t()
    joint = invalid_index(pairs, joints)
    if joint is not None:
        raise ValueError(f"edges of {source} hold joint {joint}, but there are {joints} joints")
    bones = _undirected(pairs.tolist())
    built_in = SKELETONS.get(joints)
    if built_in is not None and bones == _undirected(built_in.bones):
        return built_in
    return Skeleton("given", joints, tuple(bones))


def _undirected(bones: Iterable[Sequence[int]]) -> list[tuple[int, int]]:
    return sorted({(min(a, b), max(a, b)) for a, b in bones if a != b})
