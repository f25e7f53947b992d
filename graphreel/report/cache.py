"""Finished questions on disk, so that an interrupted report goes on where it stopped."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from jinja2 import UndefinedError

from graphreel import __version__
from graphreel.core.atomic_files import write_json
from graphreel.report.findings import Findings
from graphreel.report.question import Question

FORMAT = "graphreel report section 2"


@dataclass(frozen=True)
class Outcome:
    """How a question ended: with numbers and findings, with a reason why not, or not yet (neither).

    Attributes:
        folder: where its pictures are.
        seconds: that it took.
        finished_at: when, in UTC.
        earlier: it was taken over from an earlier call.
        trace: of the failure, for whoever mends it.
    """

    question: Question
    folder: Path
    numbers: dict[str, Any] | None = None
    findings: Findings | None = None
    reason: str = ""
    trace: str = ""
    seconds: float = 0.0
    finished_at: str = ""
    earlier: bool = False

    @property
    def status(self) -> str:
        return "finished" if self.findings else "failed" if self.reason else "pending"


class Cache:
    """The folder `sections` of a report: one folder per question, with numbers.json and pictures."""

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    def of(self, question: Question) -> Path:
        """The folder of one question."""
        return self.folder / question.id

    def save(self, outcome: Outcome, key: str) -> None:
        """Keep a finished question under the key of the settings that it was run with."""
        kept = {name: getattr(outcome, name) for name in ("seconds", "finished_at", "numbers")}
        write_json(self.of(outcome.question) / "numbers.json", {"format": FORMAT, "key": key, **kept})

    def load(self, question: Question, key: str, mode: str) -> Outcome | None:
        """The question as it was finished earlier under the same key; None if it has to be run (again)."""
        folder = self.of(question)
        try:
            content = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))
            if content["format"] != FORMAT or content["key"] != key:
                return None
            findings = question.findings(content["numbers"], mode)
            if not all((folder / name).is_file() for name in findings.shown.pictures):
                return None
            kept = {name: content[name] for name in ("seconds", "finished_at", "numbers")}
            return Outcome(question, folder, findings=findings, earlier=True, **kept)
        except (OSError, ValueError, KeyError, TypeError, UndefinedError):
            return None


def key_of(question: Question, mode: str, on_disk: Mapping[str, str]) -> str:
    """A hash of what a question's numbers depend on: its measure.py, its sizes, the data on disk, and the versions."""
    content: dict[str, Any] = {
        "question": question.id,
        "measure": (question.folder / "measure.py").read_text(encoding="utf-8"),
        "mode": mode,
        "sizes": asdict(question.sizes(mode)),
        "on_disk": dict(on_disk),
        "versions": [__version__, metadata.version("torch"), metadata.version("torch-geometric")],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
