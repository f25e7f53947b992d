"""People followed through the pictures of a video."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from .pose_networks import Pose, PoseNetworks, Region

# of BlazePose's joints those of COCO: nose, then left and right eye, ear, shoulder, elbow, wrist, hip, knee, ankle
COCO_OF_BLAZEPOSE = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
LEAST = 0.5  # presence below which there is no person
_SAME = 0.06  # mean distance of joints, in sides of the region, below which two poses are one person's
_NEAR = 0.6  # how far, in sides of its region, a person may be from where it was lost
_EVERY = 8  # frames from one search for further people to the next


@dataclass
class _Person:
    poses: dict[int, Pose] = field(default_factory=dict)
    region: Region | None = None  # where it is next; None once lost
    middle: np.ndarray = field(default_factory=lambda: np.zeros(2))  # where it was last
    side: float = 1.0

    def add(self, t: int, pose: Pose) -> None:
        self.poses[t], self.region = pose, pose.region
        self.middle, self.side = pose.region.middle, pose.region.side

    def lose(self, t: int) -> None:
        self.poses.pop(t, None)
        self.region = None


class PeopleFollower:
    """Follows the people in pictures that come one by one.

    A person's region in a frame comes from its joints in the frame before. Others are searched for in the first frame,
    then every few frames and where one was lost; they are assigned to those lost by the least sum of distances. Of two
    that come to lie on the same person the less sure one is lost.

    Args:
        people: further ones are searched for while there are fewer.
    """

    def __init__(self, networks: PoseNetworks, people: int = 2) -> None:
        self.networks, self.people = networks, people
        self.count = 0
        self._persons: list[_Person] = []

    def add(self, picture: np.ndarray) -> None:
        """The next picture, uint8 [height, width, 3]."""
        t, persons = self.count, self._persons
        self.count += 1
        _go_on(persons, self.networks, picture, t)
        alive = sum(person.region is not None for person in persons)
        lost_now = any(person.region is None and t - 1 in person.poses for person in persons)
        if alive < self.people and (t % _EVERY == 0 or lost_now):
            _search(persons, self.networks, picture, t)

    def people_since(self, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Joints [frames, people, 17, 2] (NaN where a person is missing) and scores [frames, people, 17], as COCO's.

        Of the frames from `first` on; those seen in most of them, from left to right. What was before is forgotten.
        """
        for person in self._persons:
            person.poses = {t: pose for t, pose in person.poses.items() if t >= first}
        self._persons = [person for person in self._persons if person.poses]
        kept = sorted(self._persons, key=lambda person: -len(person.poses))[: self.people]
        kept.sort(key=lambda person: float(np.mean([pose.joints[:, 0].mean() for pose in person.poses.values()])))
        joints = np.full((self.count - first, self.people, len(COCO_OF_BLAZEPOSE), 2), np.nan, dtype=np.float32)
        scores = np.zeros(joints.shape[:3], dtype=np.float32)
        for number, person in enumerate(kept):
            for t, pose in person.poses.items():
                joints[t - first, number] = pose.joints[COCO_OF_BLAZEPOSE, :2]
                scores[t - first, number] = pose.scores[list(COCO_OF_BLAZEPOSE)]
        return joints, scores


def follow_people(
    pictures: Iterable[np.ndarray], networks: PoseNetworks, people: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """The people in all these pictures: see `PeopleFollower.people_since`."""
    follower = PeopleFollower(networks, people)
    for picture in pictures:
        follower.add(picture)
    return follower.people_since()


def _go_on(persons: list[_Person], networks: PoseNetworks, picture: np.ndarray, t: int) -> None:
    for person in persons:
        if person.region is not None:
            pose = networks.pose(picture, person.region)
            if pose.presence >= LEAST:
                person.add(t, pose)
            else:
                person.lose(t)
    alive = sorted((p for p in persons if p.region is not None), key=lambda p: -p.poses[t].scores.mean())
    for number, person in enumerate(alive):
        if any(other.region is not None and _same(other.poses[t], person.poses[t]) for other in alive[:number]):
            person.lose(t)


def _search(persons: list[_Person], networks: PoseNetworks, picture: np.ndarray, t: int) -> None:
    found: list[Pose] = []
    for _, region in networks.detect(picture):
        pose = networks.pose(picture, region)
        known = [person.poses[t] for person in persons if person.region is not None]
        if pose.presence >= LEAST and not any(_same(pose, other) for other in known + found):
            found.append(pose)
    lost = [person for person in persons if person.region is None]
    assigned = set()
    if lost and found:
        middles = np.stack([pose.region.middle for pose in found])
        far = np.stack([np.linalg.norm(middles - person.middle, axis=1) / person.side for person in lost])
        for row, column in zip(*linear_sum_assignment(far), strict=True):
            if far[row, column] < _NEAR:
                lost[row].add(t, found[column])
                assigned.add(int(column))
    for number, pose in enumerate(found):
        if number not in assigned:
            persons.append(_Person())
            persons[-1].add(t, pose)


def _same(one: Pose, other: Pose) -> bool:
    side = min(one.region.side, other.region.side)
    return bool(np.linalg.norm(one.joints[:, :2] - other.joints[:, :2], axis=1).mean() < _SAME * side)
