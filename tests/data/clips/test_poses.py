import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from graphreel.data import load
from graphreel.data.clips import pose_model as pose_model_file
from graphreel.data.clips.each_file import each_file, each_in_process
from graphreel.data.clips.pose_model import FILES, get_pose_model, pose_model, unpack
from graphreel.data.clips.pose_networks import JOINTS, Pose, Region, anchors, kept_boxes
from graphreel.data.clips.pose_tracking import follow_people
from graphreel.data.clips.poses import PoseReader, check_poses, pose_arrays, write_arrays


def test_anchors_are_those_of_the_detector():
    found = anchors()
    assert found.shape == (2254, 2)  # 2 in 28 x 28 cells, 2 in 14 x 14, 6 in 7 x 7
    assert_allclose(found[[0, 1, 2]], [[0.5 / 28, 0.5 / 28]] * 2 + [[1.5 / 28, 0.5 / 28]])
    assert_allclose(found[1568], [0.5 / 14, 0.5 / 14])
    assert_allclose(found[-1], [6.5 / 7, 6.5 / 7])


def test_of_overlapping_boxes_the_surest_stays():
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [20, 0, 30, 10], [0, 8, 10, 18]], dtype=float)
    assert kept_boxes(np.array([0.8, 0.9, 0.7, 0.6]), boxes) == [1, 2, 3]


def test_a_region_maps_its_own_picture_onto_the_whole():
    upright = Region.of(np.array([50.0, 60.0]), np.array([50.0, 20.0]))  # the head is above the hips
    assert_allclose([upright.side, upright.angle], [2 * 40 * 1.25, 0], atol=1e-9)
    matrix = upright.matrix(256)
    assert_allclose(matrix @ [128, 128, 1], [50, 60])
    assert_allclose(matrix @ [128, 0, 1], [50, 10])  # straight up
    lying = Region.of(np.array([50.0, 60.0]), np.array([90.0, 60.0]))  # the head is to the right
    assert_allclose(lying.matrix(256) @ [128, 0, 1], [100, 60], atol=1e-9)


class Crowd:
    """Networks that see points instead of people: a picture holds the hips [people, 2] of those that are in it."""

    def __init__(self, least_side=100.0):
        self.side = least_side

    def region(self, hips):
        return Region(np.asarray(hips, dtype=float), self.side, 0.0)

    def detect(self, picture, least=0.5):
        return [(1.0, self.region(hips)) for hips in picture]

    def pose(self, picture, region):
        far = np.linalg.norm(picture - region.middle, axis=1) if len(picture) else np.array([np.inf])
        hips = picture[far.argmin()] if len(picture) else np.zeros(2)
        joints = np.concatenate([np.tile(hips, (JOINTS, 1)), np.zeros((JOINTS, 1))], axis=1)
        return Pose(joints, np.ones(JOINTS), float(far.min() < 0.4 * self.side), self.region(hips))


def test_people_are_followed_from_left_to_right():
    time = np.arange(12.0)
    left = np.stack([100 + 5 * time, np.full(12, 50)], axis=1)
    right = np.stack([400 - 10 * time, np.full(12, 60)], axis=1)
    pictures = [np.stack([b, a]) for a, b in zip(left, right, strict=True)]
    joints, scores = follow_people(pictures, Crowd(), people=2)
    assert joints.shape == (12, 2, 17, 2) and scores.shape == (12, 2, 17)
    assert_allclose(joints[:, 0, 0], left)
    assert_allclose(joints[:, 1, 16], right)


def test_somebody_who_is_hidden_for_a_while_is_the_same_person():
    left, right = np.array([100.0, 50]), np.array([300.0, 50])
    pictures = [np.stack([left, right]) if t not in (4, 5) else left[None] for t in range(12)]
    joints, scores = follow_people(pictures, Crowd(), people=2)
    assert np.isnan(joints[4:6, 1]).all() and (scores[4:6, 1] == 0).all()
    seen = [t for t in range(12) if np.isfinite(joints[t, 1]).all()]
    assert seen[:4] == [0, 1, 2, 3] and seen[4:] == list(range(8, 12))  # searched for in every eighth frame
    assert_allclose(joints[seen, 1, 0], np.tile(right, (len(seen), 1)))
    assert_allclose(joints[:, 0, 0], np.tile(left, (12, 1)))


def test_nobody_and_too_many():
    empty, _ = follow_people([np.zeros((0, 2))] * 3, Crowd(), people=2)
    assert empty.shape == (3, 2, 17, 2) and np.isnan(empty).all()
    passing = [np.array([[100.0, 50], [300, 50], *([[500, 50]] if t < 2 else [])]) for t in range(6)]
    joints, _ = follow_people(passing, Crowd(), people=2)
    assert_allclose(joints[:, :, 0, 0], np.tile([100.0, 300.0], (6, 1)))


def test_files_that_are_refused_are_listed_and_the_order_stays(monkeypatch):
    def read(file):
        if file.name == "2":
            raise ValueError("2 is damaged")
        return file.name

    files, reached = [Path(str(number)) for number in range(5)], []
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    for each in (each_file, each_in_process):
        found = each(files, read, skipped := [], lambda done, total: reached.append((done, total)))
        assert found == ["0", "1", None, "3", "4"] and skipped == ["2 is damaged"]
        with pytest.raises(ValueError, match="2 is damaged"):
            each(files, read)
    assert reached == 2 * [(number, 5) for number in range(1, 6)]


def test_reading_poses_needs_no_torch():
    code = "import sys, graphreel.inspect.extract\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_model_is_checked_and_its_absence_told(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("GRAPHREEL_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="run `graphreel data get pose-model`, or name their folder"):
        pose_model()
    for name in FILES:
        (tmp_path / name).write_bytes(b"another model")
    with pytest.raises(ValueError, match=r"pose_detection.tflite has the SHA-256 .*, expected 9ba9dd3d42efaaba"):
        pose_model(tmp_path)
    with zipfile.ZipFile(tmp_path / "false.whl", "w") as wheel:
        for inside, _ in FILES.values():
            wheel.writestr(inside, b"another model")
    with pytest.raises(ValueError, match=r"pose_detection.tflite in false.whl has the SHA-256"):
        pose_model(tmp_path / "false.whl")
    (tmp_path / "broken.whl").write_bytes(b"no zip")
    with pytest.raises(ValueError, match=r"broken.whl is not the wheel mediapipe==0.10.14"):
        unpack(tmp_path / "broken.whl", tmp_path / "taken")
    assert not (tmp_path / "taken").exists()


def test_the_model_is_taken_out_of_the_wheel_that_pip_brings(tmp_path, monkeypatch):
    contents = {name: name.encode() for name in FILES}
    digests = {
        name: (inside, __import__("hashlib").sha256(contents[name]).hexdigest()) for name, (inside, _) in FILES.items()
    }
    monkeypatch.setattr(pose_model_file, "FILES", digests)

    def pip(command, **_):
        place = Path(command[command.index("--dest") + 1])
        with zipfile.ZipFile(place / "mediapipe.whl", "w") as wheel:
            for name, (inside, _) in digests.items():
                wheel.writestr(inside, contents[name])
        return type("Done", (), {"returncode": 0, "stderr": ""})()

    monkeypatch.setattr(pose_model_file.subprocess, "run", pip)
    found = get_pose_model(tmp_path)
    assert {name: file.read_bytes() for name, file in found.items()} == contents
    assert pose_model(tmp_path) == found
    failed = type("Done", (), {"returncode": 1, "stderr": "no network\n"})()
    monkeypatch.setattr(pose_model_file.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(FileNotFoundError, match=r"pip could not download \(no network\)"):
        get_pose_model(tmp_path / "other")


def test_without_the_extra_one_sentence_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ValueError, match=r"need the extra `pose` \(LiteRT\): pip install 'graphreel\[video,pose\]'"):
        check_poses()


@pytest.fixture(scope="module")
def footage():
    """A video of two people who push each other, where there is one, and the model that finds them."""
    try:
        check_poses()
    except (ValueError, FileNotFoundError) as error:
        pytest.skip(str(error))
    videos = sorted(Path(os.environ.get("GRAPHREEL_DATA", "none")).glob("ut_interaction/push/*.avi"))
    if not videos:
        pytest.skip("no footage of people here")
    return videos[1]


def test_two_people_are_found_in_real_footage(footage, tmp_path):
    arrays = pose_arrays([footage], ["push"], PoseReader(people=2, most=6))
    seen = np.isfinite(arrays["keypoints"][..., 0])
    assert seen.all(2).mean() > 0.8
    left, right = np.nanmedian(arrays["keypoints"][..., 0], axis=(0, 2))
    assert right - left > 50  # pixels
    nose, ankles = arrays["keypoints"][:, :, 0, 1], arrays["keypoints"][:, :, 15:, 1].mean(2)
    assert np.nanmin(ankles - nose) > 100  # upright, in pixels of a picture 288 high
    write_arrays(arrays, tmp_path / "one.npz")
    with np.load(tmp_path / "one.npz") as file:
        assert str(file["skeleton"]) == "COCO-17" and file["labels"].tolist() == ["push"]


def test_videos_without_people_are_read_as_patches(footage):
    balls = footage.parents[3] / "cases" / "ball_videos"
    if not balls.is_dir():
        pytest.skip("no videos of balls here")
    splits = load(balls)
    assert splits.notes == ["nobody is seen, so patches are read"] and splits.settings["kind"] == "patches"
