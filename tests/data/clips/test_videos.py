import sys

import pytest
import torch
from torch.testing import assert_close

from graphreel.data import load
from graphreel.data.clips.digits import CLASSES, dance, render, write_digit_videos
from graphreel.data.clips.video_files import read_frames, write_video
from graphreel.data.clips.videos import VideoReader, video_reader

av = pytest.importorskip("av", reason="PyAV is not installed (extra `video`)")
pytest.importorskip("skimage", reason="scikit-image is not installed (extra `video`)")


@pytest.fixture(scope="module")
def pictures():
    return render(dance(2, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".gif", ".webm"])
def test_what_is_written_is_read(tmp_path, pictures, suffix):
    path = tmp_path / f"clip{suffix}"
    write_video(pictures, path)
    frames = read_frames(path)
    assert frames.shape == (*pictures.shape, 3) and frames.dtype == torch.uint8
    assert (frames.float().mean(-1) - pictures.float()).abs().mean() < 4
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_metadata_in_another_encoding_is_no_obstacle(tmp_path, pictures):
    path = tmp_path / "clip.mp4"
    write_video(pictures[:2], path)
    whole = path.read_bytes()
    assert b"Lavf" in whole
    path.write_bytes(whole.replace(b"Lavf", b"\xbeavf"))
    assert len(read_frames(path)) == 2


def test_long_and_large_videos_are_thinned_and_shrunk(tmp_path, pictures):
    write_video(pictures, tmp_path / "a.mp4")
    frames = read_frames(tmp_path / "a.mp4", most=4, height=48)
    assert frames.shape == (4, 48, 64, 3)


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


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("videos")
    write_digit_videos(place, per_class=3, suffix=".avi")
    return place


def test_a_folder_of_videos_is_loaded(folder):
    splits = load(folder, regions=40, most=6)
    assert splits.classes == sorted(name.replace(" ", "-") for name in CLASSES)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [8, 8, 8]
    assert splits.train[0].num_frames == 6 and splits.num_features == 3 + 6 + 64
    again = video_reader(**splits.settings).read(sorted(folder.glob("*/*.avi"))[0])
    assert again.x.size(1) == splits.num_features


def test_unreadable_videos_are_named(tmp_path, pictures):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(3):
            write_video(pictures[:2], tmp_path / name / f"{number}.avi")
    bad = tmp_path / "b" / "2.avi"
    bad.write_bytes(b"not a video at all" * 20)
    with pytest.raises(ValueError, match=r"2.avi is not a readable video: Invalid data"):
        load(tmp_path)
    bad.unlink()
    with pytest.raises(ValueError, match=r"class b of .* has 2 videos: expected at least 3, one for each part"):
        load(tmp_path)
    (tmp_path / "b" / "1.avi").unlink()
    (tmp_path / "b" / "0.avi").unlink()
    with pytest.raises(ValueError, match="has videos in 1 subfolders: expected one subfolder for each of 2 classes"):
        load(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no video"):
        read_frames(tmp_path / "none.mp4")


def test_bad_settings_and_pictures_are_named(tmp_path, folder, pictures):
    with pytest.raises(ValueError, match="kind must be superpixels or patches, got 'cubes'"):
        load(folder, kind="cubes")
    with pytest.raises(ValueError, match="regions must be at least 1, got 0"):
        load(folder, regions=0)
    with pytest.raises(ValueError, match=r"frames must be uint8 \[frames, height, width\(, 3\)\], got torch.float32"):
        write_video(pictures.float(), tmp_path / "a.mp4")
    with pytest.raises(ValueError, match=r"a.txt must end in one of .mp4, .avi, .gif, .webm, .mkv"):
        write_video(pictures, tmp_path / "a.txt")


@pytest.mark.parametrize(("module", "kind"), [("av", "patches"), ("skimage.segmentation", "superpixels")])
def test_without_the_extra_one_sentence_says_so(monkeypatch, folder, module, kind):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ValueError, match=r"need the extra `video` \(PyAV, scikit-image\): pip install"):
        load(folder, kind=kind)
