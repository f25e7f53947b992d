"""Clips read at other moments, and varied, against loops over single joints."""

import math

import pytest
import torch
from torch.testing import assert_close

from graphreel.data.clips.keypoint_motion import Variation, resampled
from graphreel.data.clips.skeletons import SKELETONS, skeleton_of

STILL = {"mirror": 0.0, "turn": 0.0, "stretch": 0.0, "shortest": 1.0, "offset": 0.0, "jitter": 0.0}


def clips(count: int = 3, frames: int = 6, joints: int = 15, dimensions: int = 2, missing: float = 0.0):
    generator = torch.Generator().manual_seed(0)
    places = torch.randn(count, frames, joints, dimensions, generator=generator)
    lengths = torch.randint(2, frames + 1, (count,), generator=generator)
    lengths[0] = frames
    present = torch.rand(places.shape[:3], generator=generator) >= missing
    present &= (torch.arange(frames) < lengths[:, None])[..., None]
    return places * present[..., None], present, lengths


def vary(places, present, lengths, frames=0, skeleton=SKELETONS[15], seed=0, **chances):
    generator = torch.Generator().manual_seed(seed)
    return Variation(**{**STILL, **chances})(places, present, lengths, skeleton, frames, generator)


def test_moments_between_frames_are_interpolated_and_missing_joints_read_from_the_other_frame():
    places, present, _ = clips(missing=0.3)
    spans = torch.tensor([[0.4, 4.7], [0.0, 1.0], [1.0, 1.0]])
    wanted = torch.tensor([7, 4, 1])
    found, there = resampled(places, present, spans, wanted)
    assert found.shape == (3, 7, 15, 2) and there.shape == (3, 7, 15)
    for clip in range(3):
        first, last = spans[clip].tolist()
        for step in range(7):
            if step >= wanted[clip]:
                assert not there[clip, step].any()
                continue
            moment = first + (last - first) * step / max(1, int(wanted[clip]) - 1)
            before = math.floor(moment + 1e-6)
            share = max(0.0, moment - before)
            for joint in range(15):
                ends = [(before, 1 - share), (before + 1, share)]
                ends = [(t, w) for t, w in ends if w > 1e-5 and present[clip, t, joint]]
                assert bool(there[clip, step, joint]) == bool(ends)
                if ends:
                    mean = sum(places[clip, t, joint] * w for t, w in ends) / sum(w for _, w in ends)
                    assert_close(found[clip, step, joint], mean, rtol=1e-4, atol=1e-5)


def test_the_same_moments_are_the_same_clip():
    places, present, lengths = clips(missing=0.2)
    found, there, again = vary(places, present, lengths)
    assert torch.equal(there, present) and torch.equal(again, lengths)
    assert_close(found * there[..., None], places)


def test_a_mirror_swaps_left_and_right():
    places, present, lengths = clips(missing=0.2)
    found, there, _ = vary(places, present, lengths, mirror=1.0)
    order = SKELETONS[15].mirrored()
    assert torch.equal(there, present[:, :, order])
    assert_close(found[there], (places[:, :, order] * torch.tensor([-1.0, 1.0]))[there])
    lone = skeleton_of(15, torch.tensor([[0, 1]]))  # says nothing of left and right
    assert_close(vary(places, present, lengths, skeleton=lone, mirror=1.0)[0], places)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_turning_keeps_distances_and_stretching_keeps_directions(dimensions):
    places, present, lengths = clips(dimensions=dimensions)
    turned, there, _ = vary(places, present, lengths, turn=0.5)
    assert_close(torch.cdist(turned, turned)[there], torch.cdist(places, places)[present], rtol=1e-4, atol=1e-4)
    cosine = torch.nn.functional.cosine_similarity(turned, places, dim=-1)[present]
    most = 0.5 * (dimensions - 1)  # in space about two axes
    assert (cosine >= math.cos(most) - 1e-5).all() and (cosine < 0.999).any()
    if dimensions == 3:  # the second coordinate is turned about, then tilted
        assert (turned[..., 2] - places[..., 2])[present].std() > 0.01
    stretched = vary(places, present, lengths, stretch=0.3)[0]
    share = (stretched / places)[present]
    assert_close(share[:, 2:], torch.ones_like(share[:, 2:]))
    assert ((share > 0.69) & (share < 1.31)).all() and share[:, 0].std() > 0.01
    each = (stretched / places)[0, :, :, 0][present[0]]
    assert_close(each, each[:1].expand_as(each))  # a clip is stretched as a whole


def test_a_cut_clip_is_a_run_of_its_frames():
    places, present, lengths = clips(count=40, frames=9)
    found, there, left = vary(places, present, lengths, shortest=0.4)
    assert (left <= lengths).all() and (left >= 1).all() and (left < lengths).any()
    for clip in range(40):
        kept = found[clip, : left[clip]]
        starts = [s for s in range(int(lengths[clip] - left[clip]) + 1) if torch.allclose(
            kept, places[clip, s : s + int(left[clip])], atol=1e-5)]  # fmt: skip
        assert len(starts) == 1 and not there[clip, left[clip] :].any()
    assert vary(places, present, lengths, frames=4, shortest=0.4)[2].tolist() == [4] * 40


def test_a_clip_of_which_a_cut_would_leave_nothing_is_kept_whole():
    places, present, lengths = clips(count=30, frames=8)
    present[:, 1:] = False
    _, there, left = vary(places, present, lengths, shortest=0.1)
    assert there.flatten(1).any(1).all() and (left < lengths).any()


@pytest.mark.parametrize("where", [0.0, 300.0])
def test_offset_and_jitter_have_the_deviation_asked_for(where):
    places, present, lengths = clips(count=40, frames=30)
    size = (places - places.mean(2, keepdim=True)).norm(dim=3)[present].mean()
    places[..., 0] += where  # pixels from a corner of the picture
    for name, still in (("jitter", False), ("offset", True)):
        found, there, _ = vary(places, present, lengths, **{name: 0.1})
        off = found - places
        assert float(off[there].std()) == pytest.approx(0.1 * float(size), rel=0.1)
        assert torch.allclose(off[0, 0], off[0, 1], atol=1e-3) == still
