"""A trained run that classifies clips: how it reads files, and what it says of clips."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphreel.experiments.clips import seen_together, views_of
from graphreel.inspect.load_run import TrainedRun


class Classifier:
    """What a run on clips says of new ones.

    Attributes:
        classes: their names.
        reader: how the clips of the training were read.
        seconds: how long these usually were; 0 where that is not known.
    """

    def __init__(self, trained: TrainedRun) -> None:
        self.model, self.settings, self.saved = trained.model, trained.settings, trained.entries
        self.classes: list[str] = self.saved["classes"]
        self.reader: dict[str, Any] = self.saved["reader"]
        self.seconds = float(self.saved.get("seconds", 0.0))
        self._mirror = self._mirror_of() if self.settings.mirror else None

    @property
    def pose_model(self) -> str | None:
        """Where the training found its pose model, if that was said."""
        return self.settings.pose_model or None

    @property
    def of_videos(self) -> bool:
        """Whether it was trained on videos."""
        return "regions" in self.reader or "poses" in self.reader

    def read(self, file: Path) -> list[Any]:
        """The clips of a file, read as the training's were.

        Raises:
            ValueError: an unreadable file, one of another kind than the training's, or one that does not fit it.
            FileNotFoundError: there is no such file.
        """
        from graphreel.data.clips.read_clips import read_clips

        if not file.exists():
            raise FileNotFoundError(2, "no such file", str(file))
        if not self.of_videos and "joints" not in self.reader:
            raise ValueError(f"the run was trained on digits, which are drawn and not read from files, got {file.name}")
        clips = read_clips(file, self.reader, self.pose_model)
        width = int(clips[0].x.size(1))
        if width != self.saved["num_features"]:
            raise ValueError(
                f"{file.name} gives nodes with {width} features, but the run was trained on "
                f"{self.saved['num_features']}"
            )
        return clips

    @torch.no_grad()
    def shares(self, clip: Any) -> Tensor:
        """The probability of every class [classes]."""
        views = views_of([clip], self.settings, self.saved.get("timeless"), self._mirror)
        return seen_together(self.model, views)[0].softmax(0)

    def _mirror_of(self) -> Any:
        if "regions" in self.reader:
            from graphreel.data.clips.video_clips import VideoReader

            return VideoReader(**self.reader).mirror
        if "joints" not in self.reader:
            return None
        from graphreel.data.clips.keypoints import reader_of

        return reader_of(**self.reader).mirror
