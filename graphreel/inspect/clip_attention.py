"""`graphreel combined attention`: the frames of a clip, or the steps of a series, as the trained model weighed them."""

from pathlib import Path
from typing import Any

from graphreel.combined import clip_attention_page, draw_clip_attention
from graphreel.core.atomic_files import refuse_to_overwrite
from graphreel.experiments.clips import load_clips, visible_to_model
from graphreel.inspect.classify import Classifier
from graphreel.inspect.load_run import load_run


def draw(
    path: Path, clip: str, out: Path | None, page: bool = False, adjacency: Path | None = None, at: str | None = None
) -> list[Path]:
    """Draw a clip with the attention of the run in `path`: a strip, a moving picture and the numbers.

    Args:
        clip: the number of a clip of the test part, or a file; of a run on a series, one.
        out: the strip's picture; the others are called like it.
        page: a page to walk through instead of pictures; a series has no other.
        adjacency, at: of a series, as for `forecasts.forecast_of`.

    Returns:
        The files written.

    Raises:
        ValueError, OSError: an unknown clip, an unreadable file, a picture of unknown format or in the file's place.
    """
    trained = load_run(path, "clips", "series")
    kinds = (".html", ".htm") if page else (".png", ".svg", ".pdf", ".gif")
    picture = Path(out) if out is not None else trained.folder.path / f"attention-{Path(clip).stem}{kinds[0]}"
    if picture.suffix.lower() not in kinds:
        raise ValueError(f"--out expects a {', '.join(kinds[:-1])} or {kinds[-1]}, got {picture.name}")
    targets = [picture] if page else list(dict.fromkeys((picture, picture.with_suffix(".gif"))))
    refuse_to_overwrite(targets, [Path(clip)])
    title = f"Attention of {trained.folder.path.name} on {Path(clip).name}"
    if trained.kind == "series":
        from graphreel.inspect.series_attention import series_page

        if not page:
            raise ValueError(f"{path} was trained on a series, whose attention is a page: give --html")
        return series_page(trained, Path(clip), adjacency, at, title).write(picture)
    if (adjacency, at) != (None, None):
        raise ValueError(f"--adjacency and --at are for forecasts, and {path} was trained on clips")
    classifier = Classifier(trained)
    chosen, video = _find(clip, classifier)
    shown = visible_to_model(chosen, classifier.settings, classifier.saved.get("timeless"))
    shares = classifier.shares(chosen)
    picture.parent.mkdir(parents=True, exist_ok=True)
    if page:
        made = clip_attention_page(trained.model, shown, classifier.classes, video.get("pictures"), title, shares)
        return made.write(picture)
    for target in targets:
        draw_clip_attention(trained.model, shown, target, classifier.classes, **video, shares=shares)
    return [*targets, picture.with_suffix(".json")]


def _find(name: str, classifier: Classifier) -> tuple[Any, dict[str, Any]]:
    """A clip, and its frames as pictures, their numbers and times, where it has any."""
    if name.lstrip("-").isdecimal():
        clips = load_clips(classifier.settings).test
        if not 0 <= int(name) < len(clips):
            raise ValueError(f"CLIP expects a number from 0 to {len(clips) - 1}, or a file, got {name}")
        clip = clips[int(name)]
        if Path(clip.get("file") or "").is_file():
            return _find(clip.file, classifier)
        if clip.get("sprite_size") is None:
            return clip, {}
        from graphreel.data.clips.digits import render

        return clip, {"pictures": render(clip)}
    file = Path(name)
    clips = classifier.read(file)
    if len(clips) > 1:
        raise ValueError(f"{file.name} holds {len(clips)} clips, but one is drawn at a time")
    if clips[0].get("canvas") is None:
        return clips[0], {}
    from graphreel.data.clips.read_clips import video_of

    video = video_of(file, classifier.reader, int(clips[0].num_frames))
    return clips[0], {"pictures": video.pictures, "times": video.times, "numbers": video.numbers}
