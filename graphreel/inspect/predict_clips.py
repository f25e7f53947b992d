"""`graphreel combined predict` on clips: their classes as a table, and long videos window by window."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphreel.core.atomic_files import refuse_to_overwrite
from graphreel.data.text_files import read_text
from graphreel.inspect.classify import Classifier
from graphreel.inspect.clip_table import FootageOptions, Row, told, write_table
from graphreel.inspect.load_run import TrainedRun
from graphreel.inspect.timeline import draw_timeline
from graphreel.training.progress import Progress


def predict_clips(trained: TrainedRun, source: Path | None, out: Path | None, top: int, options: FootageOptions) -> str:
    """The classes of a file, of the files of a folder or a list, or of what a camera sees, as text.

    Of several files, of a long video and with `out` a table is written, and of every long video a timeline.

    Raises:
        ValueError, OSError: there is no such file, one cannot be read or does not fit the run.
    """
    classifier = Classifier(trained)
    if options.camera is not None:
        from graphreel.inspect.watch import watch

        return watch(classifier, options.camera, out or trained.folder.path / "camera.csv", options)
    assert source is not None
    files = _files(source)
    if options.overlay is not None and (len(files) > 1 or not classifier.of_videos):
        raise ValueError("--overlay draws into one video, of a run that was trained on videos")
    table = out or trained.folder.path / f"predictions-{source.stem}.csv"
    refuse_to_overwrite([table.with_suffix(".csv"), *([options.overlay] if options.overlay else [])], files)
    lines, rows, written = [], [], []
    with Progress(options.quiet).over(len(files)) as bar:
        for number, file in enumerate(files):
            try:
                name = str(file.relative_to(source)) if source in file.parents else file.name
                found = list(_rows(classifier, file, name, options))
            except ValueError as error:
                if not options.skip_damaged:
                    raise
                lines.append(f"  left out: {error}")
                continue
            rows += found
            if found[0].start is not None:
                picture = table.with_suffix(table.suffix if table.suffix != ".csv" else ".png")
                picture = picture if len(files) == 1 else picture.with_stem(f"{table.stem}-{file.stem}")
                written.append(draw_timeline(found, classifier.classes, picture, file.name))
            bar.reach(number + 1, f"{number + 1} of {len(files)} files")
    lines += told(rows, classifier.classes, top)
    folders = [Path(row.file).parts[0] for row in rows] if source not in files else []
    if folders and set(folders) <= set(classifier.classes):
        best = [None if row.shares is None else classifier.classes[int(row.shares.argmax())] for row in rows]
        right = sum(one == folder for one, folder in zip(best, folders, strict=True))
        lines.append(f"  {right} of {len(rows)} ({right / len(rows):.1%}) are of the class that their folder is called")
    if out is not None or source not in files or written:
        written.insert(0, write_table(rows, classifier.classes, table.with_suffix(".csv")))
    if options.overlay is not None:
        from graphreel.inspect.overlay import write_overlay

        written.append(write_overlay(files[0], [row.scene for row in rows], options.overlay, options.quiet))
    return "\n".join(lines + [f"  in {path}" for path in written])


def window_of(classifier: Classifier, file: Path, window: float | None) -> float:
    """How long the windows of a video are, in seconds; 0: it is one clip."""
    from graphreel.data.clips.video_stream import SUFFIXES, frame_times

    if not classifier.of_videos or file.suffix.lower() not in SUFFIXES:
        return 0.0
    length = classifier.seconds if window is None else window
    if not length:
        return 0.0
    times, _ = frame_times(file)
    longer = times[-1] - times[0] > (2 * length if window is None else length) if times else False
    return length if longer else 0.0


def _rows(classifier: Classifier, file: Path, name: str, options: FootageOptions) -> Iterator[Row]:
    seconds = window_of(classifier, file, options.window)
    if seconds:
        from graphreel.data.clips.video_stream import stream_video
        from graphreel.data.clips.windows import interval, sizes_of, windows

        frames = stream_video(file, *sizes_of(classifier.reader), interval(classifier.reader, seconds))
        for window in windows(frames, classifier.reader, seconds, classifier.pose_model):
            shares = None if window.clip is None else classifier.shares(window.clip)
            scene = _scene(classifier, window.clip, window.times) if options.overlay else None
            yield Row(name, shares, None, window.times[0], window.times[-1], scene)
        return
    clips = classifier.read(file)
    for number, clip in enumerate(clips):
        scene = None
        if options.overlay:
            from graphreel.data.clips.video_stream import frame_times

            scene = _scene(classifier, clip, frame_times(file)[0])
        yield Row(name, classifier.shares(clip), number if len(clips) > 1 else None, scene=scene)


def _scene(classifier: Classifier, clip: Any, times: list[float]) -> Any:
    from graphreel.inspect.overlay import Scene

    return Scene.of(classifier, clip, times)


def _files(source: Path) -> list[Path]:
    """The files that are meant: one, those of a folder and its subfolders, or those that a list names, one a line."""
    from graphreel.data.clips.importers.formats import recognises

    if recognises(source):
        return [source]
    if source.is_dir():
        from graphreel.data.clips.video_stream import SUFFIXES

        def is_clip(file: Path) -> bool:
            return file.suffix.lower() in (*SUFFIXES, ".npz") or (recognises(file) and not recognises(file.parent))

        found = sorted(file for file in source.rglob("*") if is_clip(file))
        found = [file for file in found if not any(part.startswith(".") for part in file.relative_to(source).parts)]
        if not found:
            raise ValueError(f"{source} holds no videos and no clips of keypoints")
        return found
    if source.suffix.lower() in (".txt", ".csv"):
        named = [row[0].strip() for row in csv.reader(io.StringIO(read_text(source)[0])) if row]
        named = [name for number, name in enumerate(named) if name and (number or name != "file")]
        if not named:
            raise ValueError(f"{source} names no files: expected one a line")
        files = [path if path.is_absolute() else source.parent / path for path in map(Path, named)]
        lacking = next((file for file in files if not file.is_file()), None)
        if lacking is not None:
            raise FileNotFoundError(f"{source} names {lacking}, which is not there")
        return files
    return [source]
