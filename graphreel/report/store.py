"""Finished sections on disk, so that an interrupted report goes on where it stopped."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from graphreel import __version__
from graphreel.core.atomic_files import write_json
from graphreel.report.answer import Answer, Figure
from graphreel.report.section import Section

FORMAT = "graphreel report section 1"


@dataclass(frozen=True)
class Outcome:
    """How a section ended: with an answer, with a reason why not, or not yet (neither).

    Attributes:
        folder: where the pictures of the answer are.
        seconds: that it took.
        finished_at: when, in UTC.
        earlier: it was taken over from an earlier call.
        trace: of the failure, for whoever mends it.
    """

    section: Section
    folder: Path
    answer: Answer | None = None
    reason: str = ""
    trace: str = ""
    seconds: float = 0.0
    finished_at: str = ""
    earlier: bool = False

    @property
    def status(self) -> str:
        return "finished" if self.answer else "failed" if self.reason else "pending"


class Store:
    """The folder `sections` of a report: one folder per section, with answer.json and pictures."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def of(self, section: Section) -> Path:
        """The folder of one section."""
        return self.folder / section.id

    def save(self, outcome: Outcome, key: str) -> None:
        """Keep a finished section under the key of the settings that it was run with."""
        assert outcome.answer is not None
        content = {
            "format": FORMAT,
            "key": key,
            "seconds": outcome.seconds,
            "finished_at": outcome.finished_at,
            "answer": outcome.answer.as_dict(),
        }
        write_json(self.of(outcome.section) / "answer.json", content)

    def load(self, section: Section, key: str) -> Outcome | None:
        """The section as it was finished earlier under the same key; None if it has to be run (again)."""
        folder = self.of(section)
        try:
            content = json.loads((folder / "answer.json").read_text(encoding="utf-8"))
            if content["format"] != FORMAT or content["key"] != key:
                return None
            answer = Answer.from_dict(content["answer"])
            pictures = [block.file for block in answer.blocks if isinstance(block, Figure)]
            if not all((folder / name).is_file() for name in pictures):
                return None
            return Outcome(
                section, folder, answer, seconds=content["seconds"], finished_at=content["finished_at"], earlier=True
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None


def key_of(section: Section, mode: str, on_disk: Mapping[str, str]) -> str:
    """A hash of what a section's answer depends on: its sizes, the data on disk, and the versions."""
    content: dict[str, Any] = {
        "section": section.id,
        "mode": mode,
        "sizes": asdict(section.sizes[mode]),
        "on_disk": dict(on_disk),
        "versions": [__version__, metadata.version("torch"), metadata.version("torch-geometric")],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
