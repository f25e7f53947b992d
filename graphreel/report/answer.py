"""What running a section yields: a verdict, findings claim by claim, figures and tables, and numbers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

VERDICTS = ("confirmed", "corrected", "completed")


@dataclass(frozen=True)
class Text:
    """A paragraph; `$...$` holds LaTeX and backticks hold code."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows under a head; the columns numbered in `verbatim` hold text that is shown as it is."""

    caption: str
    head: list[str]
    rows: list[list[str]]
    verbatim: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Figure:
    """A picture in the section's folder; `wide` ones keep their size on a narrow screen and scroll."""

    file: str
    alt: str
    caption: str
    wide: bool = False


@dataclass(frozen=True)
class Formula:
    """A formula in LaTeX that this run has filled with its numbers, and what it says."""

    tex: str
    says: str


Block = Text | Table | Figure | Formula
_KINDS: dict[str, Any] = {"text": Text, "table": Table, "figure": Figure, "formula": Formula}


@dataclass(frozen=True)
class Finding:
    """What this run says about one of the report's claims (`part` is its key in the section)."""

    part: str
    verdict: str
    sentence: str

    def __post_init__(self) -> None:
        check_verdict(self.verdict)


@dataclass(frozen=True)
class Answer:
    """What a section found.

    Attributes:
        verdict, sentence: of the question as a whole.
        findings: one for each of the report's claims.
        blocks: what is shown, in order.
        numbers: every figure that the text mentions, for report.json.
        commands: command -> what it repeats.
        sizes: what was made smaller than in the report, or what was run, in a sentence.
    """

    verdict: str
    sentence: str
    findings: list[Finding]
    blocks: list[Block]
    numbers: dict[str, Any]
    commands: dict[str, str] = field(default_factory=dict)
    sizes: str = ""

    def __post_init__(self) -> None:
        check_verdict(self.verdict)

    def as_dict(self) -> dict[str, Any]:
        kinds = {kind: name for name, kind in _KINDS.items()}
        blocks = [{"kind": kinds[type(block)], **asdict(block)} for block in self.blocks]
        return {**asdict(self), "blocks": blocks}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Answer":
        blocks = [dict(block) for block in values["blocks"]]
        findings = [Finding(**finding) for finding in values["findings"]]
        made = [_KINDS[block.pop("kind")](**block) for block in blocks]
        return cls(**{**values, "blocks": made, "findings": findings})


def check_verdict(verdict: str) -> None:
    if verdict not in VERDICTS:
        raise ValueError(f"a verdict is one of {', '.join(VERDICTS)}, got {verdict!r}")
