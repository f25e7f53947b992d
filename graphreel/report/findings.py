"""What a question asks, and what running it finds: Markdown parts with a verdict on each of the report's claims."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from graphreel.report.blocks import Blocks, parse

VERDICTS = ("confirmed", "corrected", "completed")
EQUATIONS, SHOWN, REPEAT = "Equations", "Shown", "Repeat"


@dataclass(frozen=True)
class Asked:
    """What is known before anything runs: question, equations, and what the report claims, part by part."""

    question: Blocks
    equations: Blocks
    claims: dict[str, Blocks]

    @classmethod
    def parse(cls, text: str) -> "Asked":
        parts = parse(text)
        return cls(parts.pop(""), parts.pop(EQUATIONS, Blocks()), parts)


@dataclass(frozen=True)
class Finding:
    """What this run says about one of the report's claims (`part` is its key in the question)."""

    part: str
    verdict: str
    text: Blocks


@dataclass(frozen=True)
class Findings:
    """What running a question found.

    Attributes:
        verdict, sentence: on the question as a whole.
        findings: one for each of the report's claims.
        shown: pictures, tables and text.
        repeat: the sizes of the run, and the commands that repeat its parts.
    """

    verdict: str
    sentence: Blocks
    findings: list[Finding]
    shown: Blocks
    repeat: Blocks

    @classmethod
    def parse(cls, text: str, verdicts: Mapping[str, str], more: str = "") -> "Findings":
        """From the text of a question's page, and `more` commands.

        Raises:
            ValueError: a part has a text and no verdict, or the other way round.
        """
        parts = parse(text)
        sentence, shown, repeat = parts.pop(""), parts.pop(SHOWN, Blocks()), parts.pop(REPEAT, Blocks())
        if list(parts) != list(verdicts):
            raise ValueError(f"verdicts expects the parts {', '.join(parts)}, got {', '.join(verdicts)}")
        findings = [Finding(part, verdicts[part], text) for part, text in parts.items()]
        return cls(
            overall(verdicts.values()), sentence, findings, shown, Blocks([*repeat.tokens, *parse(more)[""].tokens])
        )


def overall(verdicts: Iterable[str]) -> str:
    """A question's verdict from those of its parts: corrected if one is, else completed if one is, else confirmed.

    Raises:
        ValueError: one is none of the three.
    """
    found = set(verdicts)
    if unknown := found - set(VERDICTS):
        raise ValueError(f"a verdict is one of {', '.join(VERDICTS)}, got {sorted(unknown)[0]!r}")
    return next(verdict for verdict in ("corrected", "completed", "confirmed") if verdict in found)
