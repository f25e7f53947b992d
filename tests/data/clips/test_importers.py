"""Clips as other programs write them: a body of each skeleton walks right or left, and is read as it was written."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from graphreel.data import load
from graphreel.data.clips.importers.formats import clip_arrays
from graphreel.data.clips.importers.recording import Recording, Seen
from graphreel.data.clips.read_clips import read_clips


def body(joints, way=1, frames=9, seed=0, at=200.0):
    """[frames, joints, 2]: in pixels, walking to the right or to the left."""
    shape = np.random.default_rng(joints).uniform(0, 60, (joints, 2))
    start = np.random.default_rng(seed).uniform(-20, 20, 2) + np.array([at, 100])
    return (shape + start + way * np.arange(frames)[:, None, None] * [6.0, 0]).round(3)


def write_coco(path, people, tracked=True):
    path = path.with_suffix(".json")
    images = [{"id": 7 * t, "file_name": f"frame_{t}.jpg"} for t in range(len(people[0]))]
    found = []
    for t in reversed(range(len(images))):
        for who, one in enumerate(people):
            rows = np.concatenate([one[t], np.full((len(one[t]), 1), 2)], axis=1)
            found.append(
                {"image_id": 7 * t, "keypoints": rows.ravel().tolist(), **({"track_id": who} if tracked else {})}
            )
    path.write_text(json.dumps({"images": images[::-1], "annotations": found}))
    return path


def write_results(path, people):
    rows = [
        {"image_id": f"{t}.jpg", "keypoints": np.pad(one[t], ((0, 0), (0, 1)), constant_values=0.9).ravel().tolist()}
        for one in people
        for t in range(len(one))
    ]
    path.with_suffix(".json").write_text(json.dumps(rows))
    return path.with_suffix(".json")


def write_openpose(path, people):
    path.mkdir(parents=True)
    for t in range(len(people[0])):
        rows = [np.pad(one[t], ((0, 0), (0, 1)), constant_values=0.8) for one in people]
        content = {"people": [{"person_id": [-1], "pose_keypoints_2d": row.ravel().tolist()} for row in rows]}
        (path / f"walk_{t:012}_keypoints.json").write_text(json.dumps(content))
    return path


def write_mediapipe(path, people):
    frames = [
        {
            "pose_landmarks": [
                [{"x": x / 640, "y": y / 480, "z": 0.1, "visibility": 0.9} for x, y in one[t]] for one in people
            ]
        }
        for t in range(len(people[0]))
    ]
    path.with_suffix(".json").write_text(json.dumps({"width": 640, "height": 480, "frames": frames}))
    return path.with_suffix(".json")


def write_ntu(path, people):
    lines = [str(len(people[0]))]
    for t in range(len(people[0])):
        lines.append(str(len(people)))
        for who, one in enumerate(people):
            lines += [f"{720 + who} 0 1 1 0 0 0 0.1 0.2 2", str(len(one[t]))]
            lines += [f"{x} {y} 3.5 0 0 0 0 0 0 0 0 2" for x, y in one[t]]
    path.with_suffix(".skeleton").write_text("\n".join(lines))
    return path.with_suffix(".skeleton")


def write_wide(path, people):
    names = ["nose", *(f"{side}_{part}" for part in "abcdefgh" for side in ("left", "right"))]
    head = ["frame", "person", *(f"{name}_{axis}" for name in names for axis in ("x", "y", "score"))]
    rows = [
        [t, who, *np.pad(one[t], ((0, 0), (0, 1)), constant_values=0.7).ravel().tolist()]
        for t in range(len(people[0]))
        for who, one in enumerate(people)
    ]
    path.with_suffix(".csv").write_text("\n".join(",".join(map(str, row)) for row in [head, *rows]))
    return path.with_suffix(".csv")


def write_long(path, people):
    rows = [
        f"{t},{who},{j},{x},{y}"
        for who, one in enumerate(people)
        for t in range(len(one))
        for j, (x, y) in enumerate(one[t].tolist())
    ]
    path.with_suffix(".csv").write_text("\n".join(["frame,person,joint,x,y", *rows]))
    return path.with_suffix(".csv")


FORMATS = {
    "coco": (write_coco, 17, "COCO-17"),
    "coco results": (write_results, 17, "COCO-17"),
    "openpose 18": (write_openpose, 18, "OpenPose-18"),
    "openpose 25": (write_openpose, 25, "OpenPose-25"),
    "mediapipe": (write_mediapipe, 33, "BlazePose-33"),
    "hands": (write_mediapipe, 21, "hand-21"),
    "ntu": (write_ntu, 25, "NTU-25"),
    "wide csv": (write_wide, 17, "COCO-17"),
    "long csv": (write_long, 20, "Kinect-20"),
}


@pytest.mark.parametrize("form", FORMATS)
def test_a_clip_is_read_as_it_was_written(tmp_path, form):
    write, joints, skeleton = FORMATS[form]
    right, left = body(joints, at=300.0), body(joints, -1, at=200.0)
    found = clip_arrays(write(tmp_path / "clip", [right, left]), 2)
    assert str(found["skeleton"]) == skeleton and found["lengths"].tolist() == [9]
    assert_allclose(found["keypoints"][:, 0, :, :2], left, atol=1e-3)  # from left to right
    assert_allclose(found["keypoints"][:, 1, :, :2], right, atol=1e-3)
    assert found["keypoints"].shape[-1] == (3 if form == "ntu" else 2)


@pytest.mark.parametrize("form", ["wide csv", "long csv", "openpose 25", "coco", "ntu"])
def test_metres_of_a_map_projection_keep_their_steps(tmp_path, form):
    write, joints, _ = FORMATS[form]
    path = body(joints, at=0.0) / 1000  # steps of a thousandth of a metre, 5,000 km from zero
    found = clip_arrays(write(tmp_path / "clip", [path + 5e6]), 1)["keypoints"]
    assert_allclose(found.reshape(9, joints, -1)[:, :, :2] - 5e6, path, atol=1e-6)


@pytest.mark.parametrize("form", FORMATS)
def test_a_folder_of_clips_is_loaded_and_a_further_one_read(tmp_path, form):
    write, joints, _ = FORMATS[form]
    for name, way in (("left", -1), ("right", 1)):
        (tmp_path / "clips" / name).mkdir(parents=True)
        for number in range(4):
            write(tmp_path / "clips" / name / f"{number}", [body(joints, way, seed=number)])
    splits = load(tmp_path / "clips", bones=True)
    assert splits.classes == ["left", "right"] and len(splits.train) + len(splits.validation) + len(splits.test) == 8
    mirrors = form != "hands"
    assert (splits.mirror is not None) == mirrors
    assert any("are not mirrored" in note for note in splits.notes) != mirrors
    new = write(tmp_path / "new", [body(joints, seed=9)])
    (clip,) = read_clips(new, splits.settings)
    assert clip.x.size(1) == splits.num_features and int(clip.num_frames) == 9
    two = write(tmp_path / "two", [body(joints, seed=9), body(joints, -1, frames=9, at=600)])
    assert (
        read_clips(two, splits.settings)[0].x.shape[1] == splits.num_features
    )  # of several people the one seen longest


def test_labels_may_stand_in_a_table(tmp_path):
    for number in range(8):
        write_coco(tmp_path / f"{number}", [body(17, 1 - 2 * (number % 2), seed=number)])
    rows = [f"{number}.json,{'left' if number % 2 else 'right'}" for number in range(8)]
    (tmp_path / "labels.csv").write_text("file,label\n" + "\n".join(rows))
    splits = load(tmp_path, split_by=r"(\d)", folds=4)
    assert splits.classes == ["left", "right"] and [len(fold.test) for fold in splits.folds] == [2] * 4
    (tmp_path / "labels.csv").write_text("none.json,left")
    with pytest.raises(ValueError, match=r"labels.csv names none.json, which is not there"):
        load(tmp_path)


def test_people_are_followed_where_nobody_says_who_is_who():
    one, other = body(17, frames=12), body(17, -1, frames=12, at=320.0) + np.array([0, 30])
    frames = [
        [Seen(p[t], np.ones(17, np.float32)) for p in ((one, other) if t % 2 else (other, one))] for t in range(12)
    ]
    del frames[5][0]
    joints, scores = Recording(frames).arrays(2)
    there = scores[:, :, 0] > 0
    assert there.sum() == 23
    assert_allclose(joints[there[:, 0], 0], one[there[:, 0]], atol=1e-4)
    assert_allclose(joints[there[:, 1], 1], other[there[:, 1]], atol=1e-4)


def test_what_cannot_be_read_is_said(tmp_path):
    for name, content, sentence in (
        ("a.json", "{", "a.json is not JSON"),
        ("a.json", "[]", "a.json is none of: COCO's or MediaPipe's JSON"),
        ("a.json", '[{"image_id": 1, "keypoints": [1, 2]}]', "a.json is damaged"),
        ("a.skeleton", "2\n1\n7", "a.skeleton is not a whole .skeleton"),
        ("a.csv", "nose_x,nose_y,eye_x\n1,2,3", "a.csv has no column of y of the joint eye"),
        ("a.csv", "time,a,b\n1,2,3", "a.csv is none of"),
        ("a.skeleton", "1\n0", "a.skeleton: nobody is in any frame"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(ValueError, match=sentence):
            clip_arrays(tmp_path / name, 1)
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "0_keypoints.json").write_text("{}")
    with pytest.raises(ValueError, match=r"clip/0_keypoints\.json is not a frame of OpenPose's"):
        clip_arrays(tmp_path / "clip", 1)
