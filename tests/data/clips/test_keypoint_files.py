import numpy as np
import pytest
import torch
from torch.testing import assert_close

from graphreel.data import load
from graphreel.data.clips.keypoint_clips import KeypointReader
from graphreel.data.clips.keypoints import read_keypoints, reader_of
from graphreel.data.clips.skeletons import COCO_17, JHMDB_15, SKELETONS, skeleton_of


def places(*shape):
    """Different places for every frame, person and joint; in pixels."""
    return np.random.default_rng(0).uniform(0, 300, shape).astype(np.float32)


def saved(folder, **arrays):
    path = folder / "clips.npz"
    np.savez(path, **arrays)
    return path


def everything(splits):
    return [*splits.train, *splits.validation, *splits.test]


def same_clips(one, other):
    rows = [sorted(map(tuple, torch.cat([clip.x for clip in everything(splits)]).tolist())) for splits in (one, other)]
    assert_close(torch.tensor(rows[0]), torch.tensor(rows[1]))


LABELS = np.array(list("abc") * 4)


def test_clip_by_clip_is_end_to_end(tmp_path):
    by_clip = places(12, 5, 15, 2)
    given = {"keypoints": by_clip.reshape(60, 15, 2), "lengths": np.full(12, 5)}
    laid_end_to_end = load(saved(tmp_path, **given, labels=LABELS))
    stacked = load(saved(tmp_path, keypoints=by_clip, labels=LABELS))
    same_clips(laid_end_to_end, stacked)
    assert stacked.notes == ["clips.npz: keypoints [12, 5, 15, 2] are read as [clips, frames, joints, coordinates]"]
    lengths = np.array([5, 3] * 6)
    padded = load(saved(tmp_path, keypoints=by_clip, labels=LABELS, lengths=lengths))
    assert sorted(int(clip.num_frames) for clip in everything(padded)) == [3] * 6 + [5] * 6
    with pytest.raises(ValueError, match=r"lengths of clips.npz must be \[12\], each from 1 to 5 frames"):
        load(saved(tmp_path, keypoints=by_clip, labels=LABELS, lengths=np.array([6] * 12)))


def test_two_people_are_one_graph(tmp_path):
    keypoints = places(60, 2, 15, 2)
    keypoints[:, 1] += 1000
    keypoints[30:, 1] = np.nan  # the second is missing from the seventh clip on
    file = saved(tmp_path, keypoints=keypoints, lengths=np.full(12, 5), labels=LABELS)
    splits = load(file, bones=True)
    clips = everything(splits)
    assert {int(clip.num_tracks) for clip in clips} == {30}
    assert sorted(len(clip.x) for clip in clips) == [75] * 6 + [150] * 6
    clip = next(clip for clip in clips if len(clip.x) == 150)
    person, across = clip.track // 15, clip.edge_index
    between = person[across[0]] != person[across[1]]
    inside = ~between & (clip.frame[across[0]] == clip.frame[across[1]])
    assert int(inside.sum()) == 5 * 2 * 2 * len(JHMDB_15.bones)
    source, target = across[:, between]
    assert len(source) and (clip.frame[source] == clip.frame[target]).all()
    pairs = set(zip(source.tolist(), target.tolist(), strict=True))
    assert pairs == {(b, a) for a, b in pairs}
    for node in range(30):  # of frame 0: an edge to the nearest joint of the other
        others = [other for other in range(30) if person[other] != person[node]]
        nearest = min(others, key=lambda other: float((clip.pos[other] - clip.pos[node]).norm()))
        assert (node, nearest) in pairs
    again = read_keypoints(saved(tmp_path, keypoints=keypoints[:5]), **splits.settings)[0]
    assert any(torch.equal(again.x, clip.x) for clip in clips)
    with pytest.raises(ValueError, match=r"clips.npz has 3 people in a frame, but the training clips had 2"):
        read_keypoints(saved(tmp_path, keypoints=places(5, 3, 15, 2)), **splits.settings)
    five = load(saved(tmp_path, keypoints=keypoints.reshape(12, 5, 2, 15, 2), labels=LABELS), bones=True)
    same_clips(five, splits)


def test_a_mirror_swaps_people_too():
    two = skeleton_of(17, people=2)
    assert two.nodes == 34 and two.name == COCO_17.name
    mirror = two.mirrored()
    assert mirror[0] == 17 and mirror[17] == 0  # noses
    assert mirror[5] == 17 + 6 and mirror[17 + 6] == 5  # a left and a right shoulder
    assert torch.equal(mirror[mirror], torch.arange(34))
    assert two.parents()[:17].tolist() == COCO_17.parents().tolist()
    assert two.parents()[17:].tolist() == (COCO_17.parents() + 17).tolist()
    reader = KeypointReader(two, bones=True, gestures=True)
    given = torch.from_numpy(places(4, 34, 2))
    found = reader.mirrored([reader.clip(given, 0)])
    wanted = reader.clip(given[:, mirror] * torch.tensor([-1.0, 1.0]), 0)
    assert_close(found.x, wanted.x, rtol=1e-4, atol=1e-4)


def test_a_body_is_as_large_as_it_is_wherever_the_other_stands():
    reader = KeypointReader(skeleton_of(15, people=2))
    near = torch.from_numpy(places(3, 30, 2))
    far = near + torch.cat([torch.zeros(15, 2), torch.full((15, 2), 5000.0)])
    own = slice(4, 6)  # about one's own middle
    assert_close(reader.clip(near).x[:, own], reader.clip(far).x[:, own], rtol=1e-3, atol=1e-3)


def test_scores_are_told_from_depth(tmp_path):
    keypoints = places(60, 15, 3)
    keypoints[..., 2] = np.random.default_rng(1).uniform(0.1, 1, (60, 15))
    keypoints[7, 3, 2] = 0  # missing
    lengths = np.full(12, 5)
    read = load(saved(tmp_path, keypoints=keypoints, lengths=lengths, labels=LABELS))
    assert read.notes == ["clips.npz: the third column of keypoints is read as a score (all of it lies from 0 to 1)"]
    given = {"keypoints": keypoints[..., :2], "scores": keypoints[..., 2]}
    same_clips(read, load(saved(tmp_path, **given, lengths=lengths, labels=LABELS)))
    deep = load(saved(tmp_path, keypoints=keypoints, lengths=lengths, labels=LABELS), third="depth")
    assert deep.train[0].pos.size(1) == 3 and deep.notes == []
    keypoints[..., 2] -= 0.5
    assert load(saved(tmp_path, keypoints=keypoints, lengths=lengths, labels=LABELS)).train[0].pos.size(1) == 3
    small = np.random.default_rng(1).uniform(0, 1, (60, 15, 3))
    with pytest.raises(ValueError, match=r"lies from 0 to 1 like the places: say --third score or --third depth"):
        load(saved(tmp_path, keypoints=small, lengths=lengths, labels=LABELS))
    with pytest.raises(ValueError, match="third must be one of auto, depth, score, got 'time'"):
        load(saved(tmp_path, keypoints=small, lengths=lengths, labels=LABELS), third="time")


def test_groups_and_files_keep_recordings_whole(tmp_path):
    given = {"keypoints": places(60, 15, 2), "lengths": np.full(12, 5), "labels": LABELS}
    groups = np.repeat(np.arange(4), 3)
    files = np.array([f"x_seq{group}_{number}.avi" for number, group in enumerate(groups)])
    splits = load(saved(tmp_path, **given, groups=groups), folds=4)
    by_name = load(saved(tmp_path, **given, files=files), folds=4, split_by=r"_(seq\d)_")
    for fold, other in zip(splits.folds, by_name.folds, strict=True):
        assert len(fold.test) == 3 and sorted(int(clip.y) for clip in fold.test) == [0, 1, 2]
        assert all(torch.equal(a.x, b.x) for a, b in zip(fold.test, other.test, strict=True))
    assert "keep each in one part with --split-by '(seq[0-9]+)'" in load(saved(tmp_path, **given, files=files)).notes[0]
    with pytest.raises(ValueError, match=r"--split-by looks at the `files` of the clips, and clips.npz has none"):
        load(saved(tmp_path, **given), split_by=r"(\d)")
    with pytest.raises(ValueError, match=r"clips.npz has 2 groups for 12 clips"):
        load(saved(tmp_path, **given, groups=np.arange(2)))


@pytest.mark.parametrize(("joints", "name"), [(18, "OpenPose-18"), (20, "Kinect-20"), (21, "hand-21"), (25, "NTU-25")])
def test_skeletons_are_known_by_their_number_of_joints(joints, name):
    assert skeleton_of(joints).name == name


def test_skeletons_are_known_by_name_and_pairs_may_be_given(tmp_path):
    given = {"keypoints": places(60, 25, 2), "lengths": np.full(12, 5), "labels": LABELS}
    kinect, openpose = load(saved(tmp_path, **given)), load(saved(tmp_path, **given, skeleton="openpose25"))
    assert openpose.settings["edges"] != kinect.settings["edges"]
    assert openpose.settings["edges"] == [list(bone) for bone in skeleton_of(25, name="OpenPose 25").bones]
    with pytest.raises(ValueError, match=r"clips.npz have 25 joints and the skeleton 'COCO-17': expected one of JHMDB"):
        load(saved(tmp_path, **given, skeleton="COCO-17"))
    four = {"keypoints": places(60, 4, 2), "lengths": np.full(12, 5), "labels": LABELS}
    edges = np.array([[0, 1], [0, 2], [0, 3]])
    assert load(saved(tmp_path, **four, edges=edges)).mirror is None
    mirrored = load(saved(tmp_path, **four, edges=edges, pairs=np.array([[1, 2]])))
    assert mirrored.mirror is not None
    assert reader_of(**mirrored.settings).skeleton.mirrored().tolist() == [0, 2, 1, 3]
    with pytest.raises(ValueError, match=r"pairs of clips.npz hold a joint twice"):
        load(saved(tmp_path, **four, edges=edges, pairs=np.array([[1, 2], [2, 3], [0, 0]])))


def test_every_skeleton_has_its_own_number_or_name():
    assert set(SKELETONS) == {15, 17, 18, 20, 21, 25, 33}
