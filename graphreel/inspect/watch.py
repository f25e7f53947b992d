"""What a camera sees, classified as it comes."""

import itertools
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import typer

from graphreel.inspect.classify import Classifier
from graphreel.inspect.clip_table import FootageOptions, Row, write_table
from graphreel.inspect.overlay import MOST, Scene, at_rate, even_size
from graphreel.inspect.timeline import clock

_SECONDS = 3.0  # of a window, where the run does not say how long its clips were


def watch(classifier: Classifier, camera: str, out: Path, options: FootageOptions) -> str:
    """Print the class of the last seconds every so often, until the camera ends or Ctrl-C; write them as a table.

    Raises:
        ValueError: the run was not trained on videos, or OpenCV is not installed or cannot open the camera.
    """
    from graphreel.data.clips.camera import camera_frames, shrunk
    from graphreel.data.clips.video_stream import encoder_of, write_pictures
    from graphreel.data.clips.windows import interval, sizes_of, windows

    if not classifier.of_videos:
        raise ValueError("--camera needs a run that was trained on videos")
    seconds = options.window or classifier.seconds or _SECONDS
    every, (_, height) = interval(classifier.reader, seconds), sizes_of(classifier.reader)
    rows: list[Row] = []
    fresh: deque[tuple[float, np.ndarray]] = deque()  # pictures that no window has told of yet

    def frames() -> Iterator[Any]:
        for number, time, picture in camera_frames(camera, every, MOST):
            if options.overlay:
                fresh.append((time, even_size(picture)))
            yield number, time, shrunk(picture, height)

    def drawn() -> Iterator[tuple[float, np.ndarray]]:
        try:
            for window in windows(frames(), classifier.reader, seconds, classifier.pose_model):
                shares = None if window.clip is None else classifier.shares(window.clip)
                rows.append(Row(f"camera {camera}", shares, None, window.times[0], window.times[-1]))
                told = "nobody is seen"
                if shares is not None:
                    told = f"{classifier.classes[int(shares.argmax())]:<20}{float(shares.max()):.3f}"
                if not options.quiet:
                    typer.echo(f"  {clock(window.times[-1])}  {told}")
                if not fresh:
                    continue
                scene = Scene.of(classifier, window.clip, window.times)
                while fresh:
                    time, picture = fresh.popleft()
                    yield time, scene.draw(picture, time)
        except KeyboardInterrupt:
            return

    written = []
    if options.overlay:
        encoder_of(options.overlay)
        shown = drawn()
        first = next(shown, None)
        if first is not None:
            write_pictures(at_rate(itertools.chain([first], shown), 1 / every), options.overlay, 1 / every)
            written.append(options.overlay)
    else:
        for _ in drawn():
            pass
    written.append(write_table(rows, classifier.classes, out.with_suffix(".csv")))
    return "\n".join(f"  in {path}" for path in written)
