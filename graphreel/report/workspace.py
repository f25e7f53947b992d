"""Where a question works: its folder for pictures, the data on disk, and the trainings that questions share."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure as Drawing

from graphreel import experiments
from graphreel.core.atomic_files import write_whole
from graphreel.training.provenance import provenance
from graphreel.training.run_folder import RunFolder
from graphreel.training.settings import Settings


class Trainings:
    """Run folders that questions share: what one has trained, the next finds finished.

    Args:
        folder: of the run folders.
        again: train anew, even if an earlier call left a run under the same settings.
    """

    def __init__(self, folder: Path, again: bool = False):
        self.folder, self.again = Path(folder), again
        self._trained: set[str] = set()

    def train(self, name: str, settings: Settings) -> RunFolder:
        """Train into the run folder `name`, or go on with what is there under the same settings and versions."""
        path = self.folder / name
        fresh = self.again and name not in self._trained
        self._trained.add(name)
        if not fresh and _holds(path, settings):
            return experiments.resume(path, quiet=True)
        return experiments.start(settings, path, overwrite=True, quiet=True)

    def history(self, name: str) -> list[dict[str, Any]]:
        """The rows of a run's history: one per evaluation and seed."""
        return RunFolder(self.folder / name).load_checkpoint()["history"]


def _holds(path: Path, settings: Settings) -> bool:
    try:
        config = RunFolder.open(path).config()
    except (OSError, ValueError):
        return False
    wanted = json.loads(json.dumps(settings.as_dict()))  # as in config.json, where a tuple is a list
    wanted.pop("device", None)  # "auto" has become the device that was found
    wanted["versions"] = provenance()["versions"]
    return all(config.get(key) == value for key, value in wanted.items())


class Workspace:
    """Handed to a question's `measure`.

    Attributes:
        folder: the question's own, for pictures.
        trainings: shared by the questions.
        on_disk: key of `disk_data.WANTED` -> what `load` takes, for the data that this question may use.
    """

    def __init__(self, folder: Path, trainings: Trainings, on_disk: Mapping[str, str]):
        self.folder, self.trainings, self.on_disk = Path(folder), trainings, dict(on_disk)
        self.folder.mkdir(parents=True, exist_ok=True)

    def figure(self, name: str, drawing: Drawing) -> None:
        """Save a matplotlib figure as `name`.svg in the question's folder."""
        with matplotlib.rc_context({"svg.hashsalt": name}):
            write_whole(self.folder / f"{name}.svg", lambda beside: drawing.savefig(beside, metadata={"Date": None}))

    def picture(self, name: str, source: Path) -> None:
        """Take a picture that another part of graphreel has written into the question's folder, as `name`."""
        path = self.folder / f"{name}{source.suffix}"
        if path != source:
            write_whole(path, lambda beside: beside.write_bytes(source.read_bytes()))
