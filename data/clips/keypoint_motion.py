"""Keypoints in motion: read at other moments, and varied for training; for many clips at once."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .skeletons import Skeleton


def resampled(places: Tensor, present: Tensor, spans: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    r"""Read every clip at `lengths` moments, evenly spread over its span, by linear interpolation

    .. math:: p(t) = (1 - w)\, p_{\lfloor t \rfloor} + w\, p_{\lfloor t \rfloor + 1}, \qquad w = t - \lfloor t \rfloor.

    A joint that is missing in one of the two frames is read from the other.

    Shapes: places [clips, frames, joints, dimensions], present [clips, frames, joints], spans [clips, 2] the first and
    the last moment, in frames; lengths [clips] -> places and present of the longest of these lengths, nothing present
    after a clip's own.
    """
    longest = int(lengths.max())
    steps = torch.arange(longest)
    share = steps / (lengths[:, None] - 1).clamp(min=1)
    moment = (spans[:, :1] + (spans[:, 1:] - spans[:, :1]) * share).clamp(max=places.size(1) - 1)
    before = moment.floor().long()
    after = (before + 1).clamp(max=places.size(1) - 1)
    clip = torch.arange(len(places))[:, None]
    later = (moment - before)[..., None]
    real = (steps < lengths[:, None])[..., None]
    weights = (1 - later) * present[clip, before] * real, later * present[clip, after] * real
    total = weights[0] + weights[1]
    read = weights[0][..., None] * places[clip, before] + weights[1][..., None] * places[clip, after]
    return read / total.clamp(min=1e-6)[..., None], total > 0


def about_middle(places: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The middle of the joints of every frame, and their places about it, 0 where none is present.

    Shapes: places [clips, frames, joints, dimensions], mask [clips, frames, joints, 1], 0 or 1 ->
    [clips, frames, 1, dimensions] and as places.
    """
    middle = (places * mask).sum(2, keepdim=True) / mask.sum(2, keepdim=True).clamp(min=1)
    return middle, (places - middle) * mask


def own_about(places: Tensor, mask: Tensor, people: int) -> Tensor:
    """`about_middle` of every person for itself: the places of its joints about its own middle."""
    if people == 1:
        return about_middle(places, mask)[1]
    apart = (-1, places.size(1), people, places.size(2) // people)
    own = places.view(*apart, places.size(3)).flatten(1, 2), mask.view(*apart, 1).flatten(1, 2)
    return about_middle(*own)[1].reshape(places.shape)


def size_of(about: Tensor, mask: Tensor) -> Tensor:
    """The size of the body, the mean distance of joints from the middle over the clip: [clips, 1, 1, 1]."""
    size = about.norm(dim=3).sum((1, 2)) / mask.sum((1, 2, 3)).clamp(min=1)
    return size.clamp(min=1e-6)[:, None, None, None]


def near_zero(places: Tensor, present: Tensor) -> Tensor:
    """Places [clips, frames, joints, dimensions], about their middle where that lies 1000 sizes of the body off zero.

    So float32 rounds off no steps of a body in metres of a map projection; pixels stay where they are in their picture.
    """
    mask = present[..., None].to(places.dtype)
    middle = (places * mask).sum((1, 2), keepdim=True) / mask.sum((1, 2), keepdim=True)
    size = size_of(about_middle(places, mask)[1], mask)
    far = middle.norm(dim=3, keepdim=True) > 1000 * size
    return torch.where(far, places - middle, places) * mask


def mirrored(places: Tensor, present: Tensor, skeleton: Skeleton, which: Tensor) -> tuple[Tensor, Tensor]:
    """Show the clips of a mask `which` [clips] in a mirror: joints swap sides, the first coordinate its sign.

    Shapes: places [clips, frames, joints, dimensions], present [clips, frames, joints] -> the same.
    """
    order = torch.where(which[:, None], skeleton.mirrored(), torch.arange(skeleton.nodes))
    places = places.gather(2, order[:, None, :, None].expand_as(places))
    sign = torch.ones(len(places), places.size(3))
    sign[which, 0] = -1.0
    return places * sign[:, None, None], present.gather(2, order[:, None].expand_as(present))


@dataclass(frozen=True)
class Variation:
    """How training clips are varied, each by chances of its own: shown in a mirror, turned, stretched, cut, moved.

    Attributes:
        mirror: the chance of a mirror image, where the skeleton says which joints swap.
        turn: the largest angle in the plane of the first two coordinates, in radians; in space also about the second.
        stretch: the largest share by which either of them grows or shrinks.
        shortest: the least share of the clip's time that is kept.
        offset: deviation of what is added to the places of a joint all through the clip, in sizes of the body.
        jitter: the same for what is added to every place anew. Small, or gestures drown in it.
    """

    mirror: float = 0.5
    turn: float = 0.4
    stretch: float = 0.2
    shortest: float = 0.6
    offset: float = 0.05
    jitter: float = 0.004

    def __call__(
        self,
        places: Tensor,
        present: Tensor,
        lengths: Tensor,
        skeleton: Skeleton,
        frames: int,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Vary places [clips, frames, joints, dimensions], of which `lengths` are real and `present` says where.

        Args:
            frames: how many frames every clip gets; 0 keeps as many as are left of it.

        Returns:
            places, present and lengths of the variations. A clip of which nothing is left is kept as long as it was.
        """
        clips, _, _, dimensions = places.shape

        def draw(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(clips, generator=generator)

        span = (lengths - 1) * draw(self.shortest, 1.0)
        start = (lengths - 1 - span) * draw(0.0, 1.0)
        if not frames:  # whole frames
            span, start = span.round(), start.floor()
        moments = torch.arange(present.size(1))
        inside = (moments >= start[:, None].floor()) & (moments <= (start + span)[:, None].ceil())
        lost = ~(present.any(2) & inside).any(1)
        span, start = torch.where(lost, lengths - 1.0, span), torch.where(lost, 0.0, start)
        lengths = torch.full_like(lengths, frames) if frames else span.long() + 1
        places, present = resampled(places, present, torch.stack([start, start + span], dim=1), lengths)

        places, present = mirrored(places, present, skeleton, draw(0.0, 1.0) < (self.mirror if skeleton.pairs else 0.0))
        angle = draw(-self.turn, self.turn)
        turn = torch.eye(dimensions).repeat(clips, 1, 1)
        turn[:, 0, 0], turn[:, 0, 1] = angle.cos(), angle.sin()
        turn[:, 1, 0], turn[:, 1, 1] = -angle.sin(), angle.cos()
        turn[:, :, 0] *= draw(1 - self.stretch, 1 + self.stretch)[:, None]
        turn[:, :, 1] *= draw(1 - self.stretch, 1 + self.stretch)[:, None]
        if dimensions == 3:  # seen from another side as well, as action networks on Kinect's joints are trained
            side, angle = torch.eye(3).repeat(clips, 1, 1), draw(-self.turn, self.turn)
            side[:, 0, 0], side[:, 0, 2] = angle.cos(), angle.sin()
            side[:, 2, 0], side[:, 2, 2] = -angle.sin(), angle.cos()
            turn = side @ turn
        places = (places.flatten(1, 2) @ turn).view_as(places)

        mask = present[..., None].float()
        size = size_of(own_about(places, mask, skeleton.people), mask)
        still = torch.randn(places[:, :1].shape, generator=generator)
        noise = self.offset * still + self.jitter * torch.randn(places.shape, generator=generator)
        places = places + size * noise
        return places, present, lengths
