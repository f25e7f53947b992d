"""The page: outcomes through the template, into one HTML file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from graphreel.report.answer import Block
from graphreel.report.disk_data import WANTED
from graphreel.report.embedding import embed
from graphreel.report.prose import math, plain, prose
from graphreel.report.store import Outcome
from graphreel.report.terminal import as_time

_TEMPLATES = Path(__file__).resolve().parent / "templates"


def render(outcomes: Sequence[Outcome], about: Mapping[str, Any]) -> str:
    """The page as text. Everything that it shows is in it: style, pictures and formulas.

    Args:
        outcomes: of the sections, in the page's order.
        about: mode, versions, git_commit, machine and on_disk of the run.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "prose": prose,
        "plain": plain,
        "math": partial(math, display=True),
        "time": as_time,
    }
    template = environment.get_template("page.html.jinja")
    style = Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8"))
    return template.render(
        outcomes=outcomes,
        about=about,
        style=style,
        embed=embed,
        grouped=_grouped,
        data_titles={key: wanted.title for key, wanted in WANTED.items()},
        seconds=sum(outcome.seconds for outcome in outcomes),
        counts=Counter(
            finding.verdict for outcome in outcomes if outcome.answer for finding in outcome.answer.findings
        ),
        claims=sum(len(outcome.section.claims) for outcome in outcomes),
    )


def _grouped(blocks: Sequence[Block]) -> list[tuple[str, list[Block]]]:
    """Neighbouring figures together, so that they can stand side by side."""

    def kind(block: Block) -> str:
        return type(block).__name__.lower()

    return [(name, list(group)) for name, group in groupby(blocks, kind)]
