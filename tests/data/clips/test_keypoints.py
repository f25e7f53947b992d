import os
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from torch_geometric.data import Batch

from graphreel.data import load
from graphreel.data.clips.keypoint_clips import KeypointReader
from graphreel.data.clips.keypoint_motion import Variation
from graphreel.data.clips.keypoints import read_keypoints, reader_of
from graphreel.data.clips.skeletons import SKELETONS, Skeleton, skeleton_of

STILL = Variation(mirror=0, turn=0, stretch=0, shortest=1, offset=0, jitter=0)


def arrays(joints: int = 15, clips: int = 12, dimensions: int = 2):
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 7, clips)
    keypoints = rng.normal(size=(int(lengths.sum()), joints, dimensions)).astype(np.float32)
    return {"keypoints": keypoints, "lengths": lengths, "labels": np.array(["run", "sit"] * (clips // 2))}


def saved(folder: Path, **content) -> Path:
    np.savez(folder / "clips.npz", **content)
    return folder / "clips.npz"


def test_a_file_becomes_clips(tmp_path):
    given = arrays()
    splits = load(saved(tmp_path, **given))
    assert splits.classes == ["run", "sit"]
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 12
    assert sorted(int(c.num_frames) for c in [*splits.train, *splits.validation, *splits.test]) == sorted(
        given["lengths"]
    )
    clip = splits.train[0]
    frames = int(clip.num_frames)
    assert clip.x.shape == (15 * frames, 2 + 2 + 4 + 15)
    assert clip.edge_index.size(1) == frames * 28 + (frames - 1) * 15
    source, target = clip.edge_index[:, clip.edge_attr[:, 0] == 1]
    assert (clip.track[source] == clip.track[target]).all()


def test_features_do_not_depend_on_place_and_size(tmp_path):
    given = arrays()
    before = read_keypoints(saved(tmp_path, keypoints=given["keypoints"], lengths=given["lengths"]))
    moved = given["keypoints"] * 7.0 + np.array([100.0, -30.0])
    after = read_keypoints(saved(tmp_path, keypoints=moved, lengths=given["lengths"]))
    for one, other in zip(before, after, strict=True):
        assert_close(one.x, other.x, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(12, 5, 15), (60, 15), (60, 2, 15)], ids=["clip by clip", "end to end", "people"])
@pytest.mark.parametrize("more", [{}, {"frames": 7, "distances": True, "bones": True, "gestures": True}])
def test_metres_of_a_map_keep_their_shape(tmp_path, shape, more):
    """As those of a zone of UTM: single precision would leave half metres of them."""
    body = np.random.default_rng(0).normal(size=(*shape, 2))
    given = {"lengths": np.full(12, 5), "labels": np.array(["run", "sit"] * 6)}
    clips = []
    for keypoints in (body, body + np.array([4.5e5, 5.4e6])):
        splits = load(saved(tmp_path, keypoints=keypoints, **given), **more)
        asked = read_keypoints(saved(tmp_path, keypoints=keypoints, **given), **more)
        varied = splits.augment(splits.train, torch.Generator().manual_seed(0))
        clips.append([*splits.train, *splits.test, *asked, varied])
    for one, other in zip(*clips, strict=True):
        assert_close(one.x, other.x, rtol=1e-4, atol=1e-4)


def test_velocity_is_the_step_to_the_next_frames_over_the_size(tmp_path):
    walk = np.zeros((4, 15, 2), dtype=np.float32)
    walk[:, :, 0] = np.arange(15) % 5  # a body that does not change
    walk[:, :, 1] = np.arange(4)[:, None] * 3.0  # and goes 3 a frame
    clip = read_keypoints(saved(tmp_path, keypoints=walk))[0]
    body = walk[0] - walk[0].mean(0)
    size = np.linalg.norm(body, axis=1).mean()
    assert_close(clip.x[:15, 4:8], torch.tensor([0, 3, 0, 6]).float().expand(15, 4) / float(size))
    assert_close(clip.x[-15:, 4:8], torch.zeros(15, 4))
    without = read_keypoints(saved(tmp_path, keypoints=walk), velocity=False)[0]
    assert_close(without.x, torch.cat([clip.x[:, :4], clip.x[:, 8:]], 1))


@pytest.mark.parametrize("joints", sorted(SKELETONS))
def test_every_joint_reaches_joint_0_over_its_parents(joints):
    skeleton = SKELETONS[joints]
    parent = skeleton.parents()
    assert parent[0] == 0
    bones = {frozenset(bone) for bone in skeleton.bones}
    assert all(frozenset((joint, int(parent[joint]))) in bones for joint in range(1, joints))
    at = torch.arange(joints)
    for _ in range(joints):
        at = parent[at]
    assert (at == 0).all()
    assert Skeleton("two parts", 4, ((0, 1), (2, 3))).parents().tolist() == [0, 0, 2, 3]


def test_bones_lead_to_a_joint_from_its_parent(tmp_path):
    given = arrays(clips=2)
    given["keypoints"][1, 3] = np.nan  # the parent of joint 7
    clip = read_keypoints(saved(tmp_path, **given), velocity=False, bones=True)[0]
    body = given["keypoints"][0]
    about = given["keypoints"] - np.nanmean(given["keypoints"], axis=1, keepdims=True)
    size = float(np.nanmean(np.linalg.norm(about[: given["lengths"][0]], axis=2)))
    wrist, elbow = (torch.from_numpy(body[joint]) / size for joint in (11, 7))
    bone = wrist - elbow
    wanted = torch.cat([bone, bone.norm()[None], bone / (bone.norm() + 0.05)])
    assert_close(clip.x[11, 4:9], wanted, rtol=1e-4, atol=1e-5)
    assert_close(clip.x[0, 4:9], torch.zeros(5))
    assert_close(clip.x[(clip.frame == 1) & (clip.track == 7)][0, 4:9], torch.zeros(5))


@pytest.mark.parametrize("camera", [0.0, 5.0])
def test_gestures_are_squashed_steps_about_the_mean_step(tmp_path, camera):
    walk = np.random.default_rng(0).normal(size=(1, 15, 2)).repeat(7, 0)
    walk -= walk.mean(1, keepdims=True)
    walk /= np.linalg.norm(walk, axis=2).mean()
    walk[:, 3, 0] += np.arange(7) * 0.03  # a wrist goes 0.03 bodies a frame
    walk[:, :, 0] += np.arange(7)[:, None] * camera
    clip = read_keypoints(saved(tmp_path, keypoints=walk), velocity=False, gestures=True)[0]
    found = clip.x[clip.track == 3][:, 4:10].view(7, 3, 2)
    for number, lag in enumerate((1, 2, 4)):
        step = 0.03 * lag * (1 - 1 / 15)
        wanted = torch.full((7,), step / (step**2 + 0.02**2 * lag) ** 0.5)
        wanted[7 - lag :] = 0  # there is no frame so much further
        assert_close(found[:, number, 0], wanted, rtol=0.02, atol=1e-4)
        assert_close(found[:, number, 1], torch.zeros(7), rtol=0, atol=1e-4)


def test_missing_joints_are_no_nodes(tmp_path):
    given = arrays(clips=2)
    scores = np.ones(given["keypoints"].shape[:2])
    scores[1, 3] = 0
    given["keypoints"][2, 5] = np.nan
    clip = read_keypoints(saved(tmp_path, **given, scores=scores))[0]
    frames = int(given["lengths"][0])
    assert len(clip.x) == 15 * frames - 2
    assert torch.isfinite(clip.x).all()
    assert 3 not in clip.track[clip.frame == 1] and 5 not in clip.track[clip.frame == 2]


@pytest.mark.parametrize("joints", sorted(SKELETONS))
def test_built_in_skeletons_are_connected_and_mirror_onto_themselves(joints):
    skeleton = SKELETONS[joints]
    reach = torch.eye(joints, dtype=torch.bool)
    source, target = skeleton.edge_index()
    adjacency = torch.zeros(joints, joints)
    adjacency[source, target] = 1
    for _ in range(joints):
        reach |= (adjacency @ reach.float()) > 0
    assert reach.all()
    mirror = skeleton.mirrored()
    assert torch.equal(mirror[mirror], torch.arange(joints))
    bones = {frozenset(bone) for bone in skeleton.bones}
    assert {frozenset((int(mirror[a]), int(mirror[b]))) for a, b in skeleton.bones} == bones


def test_own_edges_and_train_and_test_parts(tmp_path):
    train, test = arrays(joints=4), arrays(joints=4, clips=4)
    content = {f"train_{k}": v for k, v in train.items()} | {f"test_{k}": v for k, v in test.items()}
    splits = load(saved(tmp_path, **content, edges=np.array([[0, 1], [1, 2], [2, 3]])))
    assert (len(splits.train) + len(splits.validation), len(splits.test)) == (12, 4)
    assert splits.settings["edges"] == [[0, 1], [1, 2], [2, 3]]


def test_variations_keep_the_label_and_differ(tmp_path):
    splits = load(saved(tmp_path, **arrays()))
    generator = torch.Generator().manual_seed(0)
    clips = splits.train[:3]
    one, other = (splits.augment(clips, generator) for _ in range(2))
    assert one.y.tolist() == other.y.tolist() == [int(clip.y) for clip in clips]
    assert one.x.shape != other.x.shape or not torch.allclose(one.x, other.x)
    again = splits.augment(clips, torch.Generator().manual_seed(0))
    assert torch.equal(one.x, again.x)


@pytest.mark.parametrize("frames", [0, 5])
def test_a_batch_without_variation_is_the_batch_of_its_clips(tmp_path, frames):
    given = arrays()
    scores = np.ones(given["keypoints"].shape[:2])
    scores[1, 3] = scores[4] = 0  # a joint, and a whole frame
    splits = load(saved(tmp_path, **given, scores=scores), distances=True, bones=True, gestures=True, frames=frames)
    still = KeypointReader(SKELETONS[15], distances=True, bones=True, gestures=True, frames=frames, variation=STILL)
    joined = still.varied(splits.train, torch.Generator())
    batch = Batch.from_data_list(list(splits.train))
    for key in ("x", "pos", "frame", "track", "num_frames", "num_tracks", "y"):
        assert_close(joined[key], torch.as_tensor(batch[key]), rtol=1e-4, atol=1e-5)
    edges = [sorted(zip(*b.edge_index.tolist(), b.edge_attr[:, 0].tolist(), strict=True)) for b in (joined, batch)]
    assert edges[0] == edges[1]


def test_mirror_images_are_the_clips_of_mirrored_keypoints(tmp_path):
    given = arrays(clips=3)
    scores = np.ones(given["keypoints"].shape[:2])
    scores[1, 3] = scores[4] = 0  # a joint, and a whole frame
    reader = KeypointReader(SKELETONS[15], distances=True, bones=True, gestures=True)
    order = SKELETONS[15].mirrored().numpy()
    flipped = given["keypoints"][:, order] * np.array([-1, 1], dtype=np.float32)
    sizes = given["lengths"].tolist()
    parts = [torch.from_numpy(a).split(sizes) for a in (given["keypoints"], scores, flipped, scores[:, order])]
    clips = [reader.clip(k, 0, s) for k, s in zip(*parts[:2], strict=True)]
    wanted = Batch.from_data_list([reader.clip(k, 0, s) for k, s in zip(*parts[2:], strict=True)])
    found = reader.mirrored(clips)
    for key in ("x", "pos", "frame", "track", "num_frames", "y"):
        assert_close(found[key], torch.as_tensor(wanted[key]), rtol=1e-4, atol=1e-5)
    assert_close(reader.mirrored([reader.mirrored(clips[:1])]).x, clips[0].x, rtol=1e-4, atol=1e-5)


def test_left_and_right_are_known_of_built_in_skeletons_alone(tmp_path):
    given = arrays()
    for edges, mirrored in (
        (np.array(SKELETONS[15].bones)[::-1, ::-1], True),
        (np.array(SKELETONS[15].bones)[:-1], False),
    ):
        splits = load(saved(tmp_path, **given, edges=edges))
        assert (splits.mirror is not None) == mirrored
        assert bool(reader_of(**splits.settings).skeleton.pairs) == mirrored
    assert load(saved(tmp_path, **given)).mirror is not None


def test_clips_are_read_at_so_many_moments(tmp_path):
    given = arrays()
    splits = load(saved(tmp_path, **given), frames=9)
    assert {int(clip.num_frames) for clip in [*splits.train, *splits.validation, *splits.test]} == {9}
    assert int(splits.augment(splits.train[:2], torch.Generator().manual_seed(0)).num_frames.sum()) == 18
    walk = np.arange(5, dtype=np.float32)[:, None, None] + np.zeros((5, 15, 2), dtype=np.float32)
    walk[:, :, 0] += np.arange(15)
    clip = read_keypoints(saved(tmp_path, keypoints=walk), **splits.settings)[0]
    assert_close(clip.pos[::15, 1], torch.linspace(0, 4, 9))


def test_timeless_features_are_all_but_the_velocities(tmp_path):
    splits = load(saved(tmp_path, **arrays()))
    slow = load(saved(tmp_path, **arrays()), velocity=False)
    assert_close(splits.train[0].x[:, splits.timeless], slow.train[0].x)
    for options in (
        {"distances": True, "bones": True, "gestures": True},
        {"bones": True, "gestures": True, "velocity": False},
    ):
        splits = load(saved(tmp_path, **arrays()), **options)
        slow = load(saved(tmp_path, **arrays()), **(options | {"velocity": False, "gestures": False}))
        assert_close(splits.train[0].x[:, splits.timeless], slow.train[0].x)


def test_distances_are_those_to_the_joints_of_the_same_frame(tmp_path):
    given = arrays(clips=2)
    clip = read_keypoints(saved(tmp_path, keypoints=given["keypoints"], lengths=given["lengths"]), distances=True)[0]
    between = clip.x[15:30, 4:19]  # frame 1
    pos = clip.pos[15:30]
    assert_close(between / between.sum(), torch.cdist(pos, pos) / torch.cdist(pos, pos).sum())
    assert_close(between, between.t())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"keypoints": None}, "clips.npz cannot be read: it has no keypoints: it holds lengths, labels"),
        ({"labels": None}, "clips.npz has no labels"),
        ({"labels": np.array(["run"])}, "clips.npz has 1 labels for 12 clips"),
        ({"lengths": np.array([3, 4])}, "lengths of clips.npz must sum to the"),
        ({"keypoints": np.zeros((5, 15))}, r"keypoints of clips.npz must be \[frames, joints, 2 or 3\], got \[5, 15\]"),
        ({"keypoints": np.array([["a"]])}, "keypoints of clips.npz must be numbers"),
        ({"edges": np.array([[0, 99]])}, "edges of clips.npz hold joint 99, but there are 15 joints"),
        ({"edges": np.array([[-1, 0]])}, "edges of clips.npz hold joint -1, but there are 15 joints"),
        ({"edges": np.array([[0.5, 1]])}, "edges of clips.npz must be numbers of joints, whole ones, got float64"),
        ({"edges": np.array([["a", "b"]])}, "edges of clips.npz must be numbers of joints, whole ones, got <U1"),
        ({"labels": np.array(3)}, r"labels of clips.npz must be \[clips\], got \[\]"),
        ({"labels": np.eye(2)[[0, 1] * 6]}, r"labels of clips.npz must be \[clips\], got \[12, 2\]"),
        ({"labels": np.array([0, np.nan] * 6)}, "labels of clips.npz hold a number that is NaN or infinite"),
        ({"scores": np.ones((2, 15))}, r"scores of clips.npz must be \[\d+, 15\], got \[2, 15\]"),
    ],
)
def test_bad_files_are_named(tmp_path, change, sentence):
    content = {key: value for key, value in (arrays() | change).items() if value is not None}
    with pytest.raises(ValueError, match=sentence):
        load(saved(tmp_path, **content))


def test_a_clip_without_frames_is_named(tmp_path):
    given = arrays()
    given["lengths"][:2] = 0, given["lengths"][:2].sum()
    with pytest.raises(ValueError, match=r"clip 0 of clips.npz has no frames: a clip needs at least one"):
        load(saved(tmp_path, **given))


def test_joints_that_match_no_skeleton_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"clips.npz have 16 joints, no built-in skeleton has: JHMDB-15 \(15\)"):
        load(saved(tmp_path, **arrays(joints=16)))
    with pytest.raises(ValueError, match=r"edges of the keypoints must be \[2, bones\] or \[bones, 2\], got \[3, 3\]"):
        skeleton_of(3, torch.zeros(3, 3, dtype=torch.long))


def test_a_new_file_is_read_as_the_training_clips_were(tmp_path):
    given = arrays(joints=4)
    splits = load(saved(tmp_path, **given, edges=np.array([[0, 1], [1, 2], [2, 3]])), distances=True)
    (tmp_path / "new").mkdir()
    new = saved(tmp_path / "new", keypoints=given["keypoints"][: given["lengths"][0]])
    clip = read_keypoints(new, **splits.settings)[0]
    everything = [*splits.train, *splits.validation, *splits.test]
    same = [c for c in everything if c.x.shape == clip.x.shape and torch.allclose(c.x, clip.x, atol=1e-5)]
    assert len(same) == 1 and torch.equal(same[0].edge_index, clip.edge_index)
    with pytest.raises(ValueError, match=r"clips.npz has 17 joints, but the skeleton has 4"):
        read_keypoints(saved(tmp_path / "new", keypoints=np.zeros((3, 17, 2))), **splits.settings)
    turned = np.array([[1, 0], [3, 2], [2, 1]])
    assert len(read_keypoints(saved(tmp_path / "new", keypoints=np.ones((3, 4, 2)), edges=turned), **splits.settings))
    with pytest.raises(ValueError, match=r"clips.npz has other edges between the joints than the skeleton"):
        read_keypoints(saved(tmp_path / "new", keypoints=np.ones((3, 4, 2)), edges=turned[:2]), **splits.settings)


def test_two_bones_are_read_as_they_were(tmp_path):
    given = arrays(joints=3)
    splits = load(saved(tmp_path, **given, edges=np.array([[0, 0], [1, 2]])))  # [2, bones]
    (tmp_path / "new").mkdir()
    new = saved(tmp_path / "new", keypoints=given["keypoints"][: given["lengths"][0]])
    clip = read_keypoints(new, **splits.settings)[0]
    within = clip.edge_index[:, clip.edge_attr[:, 0] == 0]
    assert {tuple(pair) for pair in within.t().tolist() if max(pair) < 3} == {(0, 1), (1, 0), (0, 2), (2, 0)}


def test_labels_may_be_bytes(tmp_path):
    given = arrays()
    given["labels"] = given["labels"].astype("S")
    assert load(saved(tmp_path, **given)).classes == ["run", "sit"]


def test_a_test_part_with_other_joints_is_named(tmp_path):
    content = {f"train_{k}": v for k, v in arrays().items()} | {f"test_{k}": v for k, v in arrays(17).items()}
    with pytest.raises(ValueError, match=r"train_keypoints \[\d+, 15, 2\] and test_keypoints \[\d+, 17, 2\]: expected"):
        load(saved(tmp_path, **content))


def test_a_clip_without_joints_is_named(tmp_path):
    given = arrays()
    given["keypoints"][given["lengths"][0] :][: given["lengths"][1]] = np.nan
    with pytest.raises(ValueError, match=r"keypoints of clips.npz, clip 1: keypoints hold no joint in any frame"):
        load(saved(tmp_path, **given))


def test_a_file_without_clips_is_named(tmp_path):
    empty = saved(tmp_path, keypoints=np.zeros((0, 15, 2)), lengths=np.zeros(0, dtype=int))
    with pytest.raises(ValueError, match=r"lengths of clips.npz is empty: expected at least one clip"):
        read_keypoints(empty)


def test_labels_unseen_in_training_are_named(tmp_path):
    given, other = arrays(), arrays(clips=2)
    other["labels"] = np.array(["run", "fly"])
    content = {f"train_{k}": v for k, v in given.items()} | {f"test_{k}": v for k, v in other.items()}
    with pytest.raises(ValueError, match=r"test_labels of clips.npz hold 'fly', which no training clip has"):
        load(saved(tmp_path, **content))


def test_damaged_and_pickled_files_are_refused(tmp_path):
    path = tmp_path / "clips.npz"
    path.write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(ValueError, match=r"clips.npz cannot be read"):
        load(path)
    with pytest.raises(ValueError, match=r"clips.npz cannot be read"):
        load(saved(tmp_path, keypoints=np.array([{"a": 1}], dtype=object)))
    with path.open("wb") as file:
        np.save(file, arrays()["keypoints"])
    with pytest.raises(ValueError, match=r"clips.npz cannot be read"):
        load(path)
    np.savez_compressed(path, **arrays())
    whole = path.read_bytes()
    for at in range(200, 2000, 100):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with pytest.raises(ValueError, match=r"clips.npz cannot be read"):
            load(path)


def test_members_that_are_no_arrays_are_named_and_others_stay_unread(tmp_path):
    path = saved(tmp_path, **arrays())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("notes.npy", b"no array")
        with archive.open("huge.npy", "w") as member:
            for _ in range(300):
                member.write(bytes(2**20))
    tracemalloc.start()
    assert len(read_keypoints(path)) == 12
    assert tracemalloc.get_traced_memory()[1] < 50 * 2**20
    tracemalloc.stop()
    path = saved(tmp_path, **{name: array for name, array in arrays().items() if name != "labels"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("labels", b"run, sit")
    with pytest.raises(ValueError, match=r"^clips.npz cannot be read: labels is no array"):
        load(path)


def test_jhmdb_is_looked_for_among_the_data(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHREEL_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(FileNotFoundError, match=r"jhmdb needs jhmdb/jhmdb_split1.npz below .*; use digits"):
        load("jhmdb")
    given = arrays()
    saved(tmp_path, **given).rename(tmp_path / "jhmdb_split1.npz")
    assert load("jhmdb", frames=4).settings["frames"] == 4


@pytest.mark.skipif(
    not Path(os.environ.get("GRAPHREEL_DATA", "."), "jhmdb/jhmdb_split1.npz").is_file(),
    reason="jhmdb/jhmdb_split1.npz is not in $GRAPHREEL_DATA",
)
def test_jhmdb():
    splits = load("jhmdb")
    assert (len(splits.train) + len(splits.validation), len(splits.test), splits.num_classes) == (433, 176, 14)
    assert min(int(c.num_frames) for c in splits.train) >= 15


def test_too_few_clips_or_classes_are_named(tmp_path):
    given = arrays(clips=2)
    with pytest.raises(ValueError, match=r"clips.npz has 2 clips of 2 classes, too few to hold out a test part"):
        load(saved(tmp_path, **given))
    with pytest.raises(ValueError, match=r"clips.npz has clips of 1 classes: expected at least 2"):
        load(saved(tmp_path, **given | {"labels": np.array(["run", "run"])}))
    with pytest.raises(ValueError, match=r"clips.npz has 3 labels for 2 clips$"):
        load(saved(tmp_path, **given | {"labels": np.array(["run", "sit", "sit"])}))
    apart = {f"{part}_{name}": array for part in ("train", "test") for name, array in given.items()}
    with pytest.raises(ValueError, match="too few to hold out a validation part: expected at least 2 of a class"):
        load(saved(tmp_path, **apart))
