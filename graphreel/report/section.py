"""A section of the report: a question, its equations, the report's claims, and how it is run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphreel.report.answer import Answer
from graphreel.report.workspace import Workspace


@dataclass(frozen=True)
class Equation:
    """A formula in LaTeX, and what it says."""

    tex: str
    says: str


@dataclass(frozen=True)
class Section:
    """One question of the report.

    Attributes:
        id: the question's number, as "Q1.1".
        title: a few words.
        question: what is asked, in a sentence.
        equations: what the answer rests on.
        claims: part of the question -> what the report claims there; "" where it is left blank.
        run: (sizes, workspace) -> Answer.
        sizes: mode -> a dataclass of sizes that `run` takes.
        expected: mode -> seconds that it takes on two cores.
        uses: data sets that are used where they are on disk.
    """

    id: str
    title: str
    question: str
    equations: tuple[Equation, ...]
    claims: Mapping[str, str]
    run: Callable[[Any, Workspace], Answer]
    sizes: Mapping[str, Any]
    expected: Mapping[str, float]
    uses: tuple[str, ...] = field(default=())

    @property
    def anchor(self) -> str:
        """The section's id on the page: "q1-1"."""
        return self.id.lower().replace(".", "-")
