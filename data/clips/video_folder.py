"""The videos of a folder, by class."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .video_stream import SUFFIXES


@dataclass(frozen=True)
class VideoFolder:
    """The videos of a folder with one subfolder per class, or with these in train/ and test/.

    Attributes:
        classes: their names, sorted.
        files, labels, parts: of every video its path, its class and "train", "test" or "".
    """

    classes: list[str]
    files: list[Path]
    labels: list[int]
    parts: list[str]

    @classmethod
    def of(cls, path: Path, least: int = 3) -> "VideoFolder":
        """The videos of a folder; hidden files, and those that macOS puts beside (._NAME), are none.

        Raises:
            ValueError: fewer than two classes, or a class with fewer than `least` videos.
        """
        inside = {folder.name for folder in _folders(path)}
        parted = {"train", "test"} <= inside and any(_folders(path / "train"))
        found: dict[str, list[tuple[Path, str]]] = {}
        for part in ("train", "test") if parted else ("",):
            for folder in _folders(path / part):
                for file in sorted(folder.iterdir()):
                    if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file():
                        found.setdefault(folder.name, []).append((file, part))
        if len(found) < 2:
            raise ValueError(
                f"{path} has videos in {len(found)} subfolders: expected one subfolder for each of 2 classes"
            )
        for name, videos in found.items():
            if len(videos) < least:
                raise ValueError(
                    f"class {name} of {path} has {len(videos)} videos: expected at least {least}, one for each part"
                )
        rows = [(file, label, part) for label, name in enumerate(sorted(found)) for file, part in found[name]]
        return cls(sorted(found), [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows])

    def without(self, left_out: Sequence[int]) -> "VideoFolder":
        """The folder without some of its videos."""
        kept = [i for i in range(len(self.files)) if i not in set(left_out)]
        rows = ([values[i] for i in kept] for values in (self.files, self.labels, self.parts))
        return VideoFolder(self.classes, *rows)  # type: ignore[arg-type]


def _folders(path: Path) -> list[Path]:
    return sorted(folder for folder in path.iterdir() if folder.is_dir() and not folder.name.startswith("."))
