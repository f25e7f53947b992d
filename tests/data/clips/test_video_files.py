import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from graphreel.data.clips.digits import dance, render
from graphreel.data.clips.video_files import read_frames, read_video, write_video

av = pytest.importorskip("av", reason="PyAV is not installed (extra `video`)")


@pytest.fixture(scope="module")
def pictures():
    return render(dance(2, torch.Generator().manual_seed(0)))


def record(path, shown, times=None, aspect=None, codec="libx264", pixels="yuv420p"):
    """Write pictures, uint8 [height, width, 3] each, shown at these times in tenths of a second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = shown[0].shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.time_base = Fraction(1, 10)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for number, picture in enumerate(shown):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24" if picture.shape[2] == 3 else "rgba")
            frame.pts, frame.time_base = times[number] if times else number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


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


def test_frames_are_spread_by_time_not_by_number(tmp_path):
    grey = [np.full((32, 32, 3), 10 * number, dtype=np.uint8) for number in range(11)]
    times = [*range(10), 90]  # ten frames in the first second, then one for eight
    record(tmp_path / "a.mkv", grey, times)
    video = read_video(tmp_path / "a.mkv", most=3)
    assert video.numbers == [0, 9, 10]  # the middle moment, 4.5 s, is nearest to 0.9 s
    assert video.times == pytest.approx([0.0, 0.9, 9.0], abs=0.002)
    assert [round(float(picture.float().mean()) / 10) for picture in video.pictures] == [0, 9, 10]


def test_pixels_that_are_not_square_are_made_so(tmp_path):
    record(tmp_path / "a.mp4", [np.zeros((48, 64, 3), dtype=np.uint8)] * 2, aspect=Fraction(3, 2))
    assert read_frames(tmp_path / "a.mp4").shape == (2, 48, 96, 3)


def test_odd_sizes_and_transparency_are_read(tmp_path):
    shown = np.zeros((33, 35, 4), dtype=np.uint8)
    shown[:, :, 0], shown[:, 17:, 3] = 200, 255  # red, and transparent on the left
    record(tmp_path / "a.mov", [shown] * 2, codec="png", pixels="rgba")
    frame = read_frames(tmp_path / "a.mov")[0]
    assert frame.shape == (33, 35, 3)
    assert frame[10, 3].tolist() == [0, 0, 0] and frame[10, 30].tolist() == [200, 0, 0]


def test_a_turned_video_is_shown_as_it_was_filmed():
    file = Path(os.environ.get("GRAPHREEL_DATA", ".")).parent / "cases" / "rotated90.mp4"
    if not file.is_file():
        pytest.skip("no turned video here")
    assert read_frames(file).shape == (8, 64, 48, 3)


def test_what_is_no_video_is_named(tmp_path, pictures):
    with pytest.raises(FileNotFoundError, match="there is no video"):
        read_frames(tmp_path / "none.mp4")
    with pytest.raises(ValueError, match=r"frames must be uint8 \[frames, height, width\(, 3\)\], got torch.float32"):
        write_video(pictures.float(), tmp_path / "a.mp4")
    with pytest.raises(ValueError, match=r"a.txt must end in one of .mp4, .avi, .gif, .webm, .mkv"):
        write_video(pictures, tmp_path / "a.txt")
