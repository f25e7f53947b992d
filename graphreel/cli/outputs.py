"""What a command may write: over no file of a run, and over none that is read."""

import json
from collections.abc import Iterable
from pathlib import Path

from graphreel.core.atomic_files import refuse_to_overwrite

OF_A_RUN = ("config.json", "metrics.json", "history.csv", "curves.png", "checkpoint.pt", "samples.txt")
PAGES = (".html", ".htm")
PICTURES = (".png", ".svg", ".pdf", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".eps", ".ps")


def check_picture(
    out: Path | None,
    beside: Iterable[str] = (),
    read: Iterable[Path] = (),
    run: Path | None = None,
    suffixes: tuple[str, ...] = PICTURES,
    option: str = "--out",
) -> None:
    """See that a picture, and the files that are called like it, may be written.

    Args:
        out: the picture that was asked for; None asks for none.
        beside: suffixes of the files that go with it.
        read: files that the command reads.
        run: the run folder that it reads; what that was trained on counts as read as well.
        suffixes: of pictures.
        option: that asks for it.

    Raises:
        ValueError: it is a folder or no picture, or would stand over a file of a run or one that is read.
    """
    if out is None:
        return
    if out.is_dir():
        raise ValueError(f"{option} expects a file, got the folder {out}")
    if out.suffix.lower() not in ("", *suffixes):
        choice = f"{', '.join(suffixes[:-1])}{' or ' * (len(suffixes) > 1)}{suffixes[-1]}"
        page = ", or --html with it" if out.suffix.lower() in PAGES else ""
        raise ValueError(f"{option} expects a {choice}{page}, got {out.name}")
    sources = [*read, *_trained_on(run)]
    if run is not None:
        sources += [run / name for name in OF_A_RUN]
    written = [out if out.suffix else out.with_suffix(suffixes[0]), *(out.with_suffix(suffix) for suffix in beside)]
    for path in written:
        place = path.resolve()
        if place.name.lower() in OF_A_RUN and (place.parent / OF_A_RUN[0]).exists():
            raise ValueError(
                f"{option} would write over {path}, a file of the run in {path.parent}: choose another name"
            )
    refuse_to_overwrite(written, sources)


def _trained_on(run: Path | None) -> list[Path]:
    try:
        config = json.loads((run / OF_A_RUN[0]).read_text(encoding="utf-8")) if run is not None else {}
        return [Path(config[name]) for name in ("data", "adjacency") if config.get(name)]
    except (OSError, ValueError, TypeError, AttributeError):  # opening the run says what is wrong with it
        return []
