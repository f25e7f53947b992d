import numpy as np
import pytest

from graphreel.data.clips.windows import windows

pytest.importorskip("cv2", reason="OpenCV is not installed (extra `video`)")
READER = {"kind": "patches", "regions": 4, "most": 9, "height": 16, "motion": True}


def stream(every, count):
    return ((2 * i, every * i, np.full((16, 16, 3), i, dtype=np.uint8)) for i in range(count))


def test_windows_overlap_by_half_and_the_last_ends_with_the_stream():
    found = list(windows(stream(0.25, 20), READER, 2.0))
    assert [(window.times[0], window.times[-1]) for window in found] == [(0, 2), (1, 3), (2, 4), (2.75, 4.75)]
    assert [len(window.times) for window in found] == [9] * 4 and found[1].middle == 2
    assert found[-1].numbers == list(range(22, 40, 2))
    red = found[-1].clip.x[::4, 3] * 255  # the colour of the first patch of every frame
    assert red.round().tolist() == list(range(11, 20))


def test_a_stream_of_fewer_pictures_has_windows_of_the_same_time():
    found = list(windows(stream(0.5, 10), READER, 2.0))
    assert [(window.times[0], window.times[-1]) for window in found] == [(0, 2), (1, 3), (2, 4), (2.5, 4.5)]
    assert {int(window.clip.num_frames) for window in found} == {5}


def test_a_short_stream_is_one_window():
    (found,) = windows(stream(0.25, 3), READER, 2.0)
    assert found.times == [0, 0.25, 0.5] and int(found.clip.num_frames) == 3
    assert list(windows(stream(0.25, 0), READER, 2.0)) == []
