import shutil
import sys

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from graphreel.data import load
from graphreel.data.clips.digits import CLASSES, dance, render, write_digit_videos
from graphreel.data.clips.video_clips import VideoReader
from graphreel.data.clips.video_files import write_video
from graphreel.data.clips.video_folder import VideoFolder

pytest.importorskip("av", reason="PyAV is not installed (extra `video`)")
pytest.importorskip("skimage", reason="scikit-image is not installed (extra `video`)")
pytest.importorskip("cv2", reason="OpenCV is not installed (extra `video`)")


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def pictures():
    return render(dance(2, torch.Generator().manual_seed(0)))


def blocks():
    """Two frames: left half black, right half white; then the border a quarter further right."""
    frames = torch.zeros(2, 16, 16, 3, dtype=torch.uint8)
    frames[0, :, 8:], frames[1, :, 12:] = 255, 255
    return frames


def test_patches_are_a_grid_that_is_tracked():
    clip = VideoReader(kind="patches", regions=4).clip(blocks())
    assert clip.frame.tolist() == [0] * 4 + [1] * 4
    assert clip.track.tolist() == [0, 1, 2, 3] * 2
    within = clip.edge_index[:, clip.edge_attr[:, 0] == 0]
    grid = {(0, 1), (1, 0), (0, 2), (2, 0), (1, 3), (3, 1), (2, 3), (3, 2)}
    assert {(a, b) for a, b in within.t().tolist()} == grid | {(a + 4, b + 4) for a, b in grid}
    across = clip.edge_index[:, clip.edge_attr[:, 0] == 1]
    assert across.t().tolist() == [[i, i + 4] for i in range(4)]
    assert_close(clip.x[:4, :2], torch.tensor([[-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5], [0.5, 0.5]]))
    assert_close(clip.x[:, 3], torch.tensor([0.0, 1.0, 0.0, 1.0, 0.0, 0.5, 0.0, 0.5]))  # how red they are
    assert_close(clip.x[5, 6], torch.tensor(0.5))  # and how much that varies where black meets white


def test_superpixels_follow_what_is_seen():
    clip = VideoReader(regions=8).clip(blocks())
    first = clip.x[clip.frame == 0]
    assert len(first) > 2
    assert set(first[:, 3].tolist()) == {0.0, 1.0}  # no region lies over the border
    across = clip.edge_attr[:, 0] == 1
    source, target = clip.edge_index[:, across]
    assert (clip.frame[target] == clip.frame[source] + 1).all()
    assert ((clip.edge_weight[across] > 0) & (clip.edge_weight[across] <= 1)).all()
    assert (clip.edge_weight[~across] == 1).all()


def moving_square(step: int, frames: int = 6):
    """A textured square that moves to the right by `step` pixels a frame, on grey."""
    texture = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8))
    shown = torch.full((frames, 48, 64, 3), 128, dtype=torch.uint8)
    for t in range(frames):
        shown[t, 4:24, 4 + step * t : 24 + step * t] = texture
    return shown


def test_patches_know_how_fast_and_where_to_they_move():
    reader = VideoReader("patches", 12, motion=True)  # 3 rows, 4 columns
    clip = reader.clip(moving_square(2))
    first = clip.x[:12]
    right, down, left, up, difference = first[:, 6], first[:, 7], first[:, 8], first[:, 9], first[:, 10]
    # the second patch of the first row is what the square enters: 2 of 48 pixels a frame where it is
    assert 0.5 < float(right[:2].max()) ** 2 < 100 * 2 / 48 + 1
    assert float(left[:2].max()) < 0.5 * float(right[:2].max())
    assert float(torch.stack([down, up])[:, :2].max()) < 0.5 * float(right[:2].max())
    assert_close(first[8:, 10:], torch.zeros(4, 2))  # nothing changes in the last row
    assert float(difference[:2].min()) > 0.01
    assert_close(clip.x[:12, 6:], clip.x[12:24, 6:])  # the first frame has the motion to the second
    still = reader.clip(moving_square(0))
    assert_close(still.x[:, 6:], torch.zeros(len(still.x), 6))


def test_a_mirror_image_is_the_clip_of_the_mirrored_pictures():
    reader = VideoReader("patches", 12, motion=True)
    shown = moving_square(2)
    mirrored = reader.mirrored([reader.clip(shown)])
    wanted = reader.clip(shown.flip(2))
    order = (mirrored.frame * 12 + mirrored.track).argsort()
    assert_close(mirrored.x[order][:, :6], wanted.x[:, :6], atol=1e-5, rtol=1e-4)
    assert_close(mirrored.x[order][:, 10:], wanted.x[:, 10:], atol=1e-5, rtol=1e-4)
    assert (mirrored.x[order][:, 6:10] - wanted.x[:, 6:10]).abs().mean() < 0.2  # flow is not symmetric to the pixel
    assert_close(mirrored.pos[order], wanted.pos, atol=1e-4, rtol=1e-4)
    assert_close(reader.mirrored([reader.mirrored([reader.clip(shown)])[0]]).x, reader.clip(shown).x)


def test_a_variation_is_a_part_of_the_clip_or_of_its_mirror_image():
    reader = VideoReader("patches", 12, motion=True)
    clip = reader.clip(moving_square(2))
    clip.y = torch.tensor([1])
    batch = reader.varied([clip] * 20, torch.Generator().manual_seed(0))
    assert batch.y.tolist() == [1] * 20
    lengths = set(batch.num_frames.tolist())
    assert lengths <= {4, 5, 6} and len(lengths) > 1
    for part in batch.to_data_list():
        rows = {tuple(row) for row in part.x[:, 1:6].tolist()}
        assert rows <= {tuple(row) for row in clip.x[:, 1:6].tolist()}
        part.checked()


def test_any_size_of_picture_has_the_same_patches():
    reader = VideoReader("patches", 48, motion=True)
    for height, width in ((48, 64), (97, 35), (7, 9)):
        clip = reader.clip(torch.zeros(2, height, width, 3, dtype=torch.uint8))
        assert int(clip.num_tracks) == 48, (height, width)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("videos")
    write_digit_videos(place, per_class=3, suffix=".avi")
    return place


def test_a_folder_of_videos_is_loaded(folder):
    splits = load(folder, graph="superpixels", regions=40, frames=6)
    assert splits.classes == sorted(name.replace(" ", "-") for name in CLASSES)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [8, 8, 8]
    assert splits.train[0].num_frames == 6 and splits.num_features == 12
    again = VideoReader(**splits.settings).read(sorted(folder.glob("*/*.avi"))[0])
    assert again.x.size(1) == splits.num_features
    with pytest.warns(FutureWarning, match="kind and most of a folder of videos are called graph and frames"):
        old = load(folder, kind="patches", most=4, motion=False)
    assert old.train[0].num_frames == 4 and old.num_features == 3 + 6 + 64
    assert old.augment is None and old.mirror is None


def test_what_was_read_is_kept_by_its_content(folder, monkeypatch, tmp_path):
    first = load(folder, graph="patches", frames=4)
    monkeypatch.setattr(VideoReader, "read", None)
    copied = tmp_path / "copied"
    shutil.copytree(folder, copied)
    again = load(copied, graph="patches", frames=4)
    assert all(torch.equal(a.x, b.x) for a, b in zip(first.train, again.train, strict=True))
    with pytest.raises(TypeError):
        load(folder, graph="patches", frames=5)


def test_folds_test_every_video_once(folder):
    splits = load(folder, graph="patches", frames=3, folds=3)
    tested = [id(clip) for fold in splits.folds for clip in fold.test]
    assert len(tested) == len(set(tested)) == 24
    for fold in splits.folds:
        assert sorted(int(clip.y) for clip in fold.test) == list(range(8))
        assert not {id(clip) for clip in fold.test} & {id(clip) for clip in [*fold.train, *fold.validation]}


@pytest.fixture
def numbered(tmp_path, pictures):
    """Two classes of four videos each, from the recordings seq1 to seq4; files that are none lie beside."""
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(1, 5):
            write_video(pictures[:3], tmp_path / "data" / name / f"x_seq{number}_{name}.avi")
        (tmp_path / "data" / name / "._x_seq1_a.avi").write_bytes(b"resource fork")
    return tmp_path / "data"


def test_recordings_stay_whole(numbered, tmp_path):
    for split_by in (r"_(seq\d)_", "table"):
        if split_by == "table":
            split_by = str(tmp_path / "recordings.csv")
            rows = [f"{file.name},{file.name[2:6]}" for file in VideoFolder.of(numbered).files]
            (tmp_path / "recordings.csv").write_text("\n".join(rows))
        splits = load(numbered, graph="patches", split_by=split_by, folds=4)
        assert [len(fold.test) for fold in splits.folds] == [2] * 4
        assert [sorted(int(clip.y) for clip in fold.test) for fold in splits.folds] == [[0, 1]] * 4
        assert splits.notes == []
    warned = load(numbered, graph="patches").notes
    assert len(warned) == 1 and "keep each in one part with --split-by '(seq[0-9]+)'" in warned[0]
    for split_by, sentence in (
        ("(", "is not a regular expression"),
        ("seq", "must have one group in parentheses, the recording"),
        (r"(take\d)", "does not match the name x_seq1_a.avi"),
    ):
        with pytest.raises(ValueError, match=sentence):
            load(numbered, graph="patches", split_by=split_by)
    with pytest.raises(ValueError, match="5 folds need as many recordings, got 4: seq1, seq2, seq3, seq4"):
        load(numbered, graph="patches", split_by=r"(seq\d)", folds=5)
    (tmp_path / "recordings.csv").write_text("x_seq1_a.avi,1")
    with pytest.raises(ValueError, match=r"has no row for x_seq2_a\.avi"):
        load(numbered, graph="patches", split_by=str(tmp_path / "recordings.csv"))


def test_train_and_test_may_have_folders(numbered, tmp_path):
    for part, numbers in (("train", (1, 2, 3)), ("test", (4,))):
        for name in ("a", "b"):
            (tmp_path / "parted" / part / name).mkdir(parents=True)
            for number in numbers:
                shutil.copy(numbered / name / f"x_seq{number}_{name}.avi", tmp_path / "parted" / part / name)
    splits = load(tmp_path / "parted", graph="patches")
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [4, 2, 2]


def test_unreadable_videos_are_named_or_left_out(numbered):
    bad = numbered / "b" / "x_seq2_b.avi"
    bad.write_bytes(b"not a video at all" * 20)
    with pytest.raises(ValueError, match=r"x_seq2_b.avi is not a readable video: Invalid data"):
        load(numbered, graph="patches")
    splits = load(numbered, graph="patches", split_by=r"(seq\d)", skip_damaged=True)
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 7
    assert len(splits.notes) == 1 and splits.notes[0].startswith("left out: x_seq2_b.avi is not a readable video")


def test_too_few_videos_are_named(numbered):
    for number in (2, 3):
        (numbered / "b" / f"x_seq{number}_b.avi").unlink()
    with pytest.raises(ValueError, match=r"class b of .* has 2 videos: expected at least 3, one for each part"):
        load(numbered)
    shutil.rmtree(numbered / "b")
    with pytest.raises(ValueError, match="has videos in 1 subfolders: expected one subfolder for each of 2 classes"):
        load(numbered)


def test_bad_settings_are_named(folder):
    with pytest.raises(ValueError, match="graph must be one of auto, patches, superpixels, poses, got 'cubes'"):
        load(folder, graph="cubes")
    with pytest.raises(ValueError, match="regions must be at least 1, got 0"):
        load(folder, graph="patches", regions=0)
    with pytest.raises(ValueError, match="folds must be at least 2, or 0 for a single split, got 1"):
        load(folder, folds=1)


@pytest.mark.parametrize(
    ("module", "graph"), [("av", "patches"), ("skimage.segmentation", "superpixels"), ("cv2", "patches")]
)
def test_without_the_extra_one_sentence_says_so(monkeypatch, folder, module, graph):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=r"need the extra `video` \(PyAV, .*\): pip install"):
        load(folder, graph=graph)
