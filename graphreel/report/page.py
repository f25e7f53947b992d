"""The page: outcomes through the template, into one HTML file."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from graphreel.report.cache import Outcome
from graphreel.report.disk_data import WANTED
from graphreel.report.wording import as_time

_TEMPLATES = Path(__file__).resolve().parent / "templates"


def render(outcomes: Sequence[Outcome], about: Mapping[str, Any]) -> str:
    """The page as text. Everything that it shows is in it: style, pictures and formulas.

    Args:
        outcomes: of the questions, in the page's order.
        about: mode, versions, git_commit, machine and on_disk of the run.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["time"] = as_time
    asked = {outcome.question.id: outcome.question.asked() for outcome in outcomes}
    found = (one.verdict for outcome in outcomes if outcome.findings for one in outcome.findings.findings)
    return environment.get_template("page.html.jinja").render(
        outcomes=outcomes,
        asked=asked,
        about=about,
        style=Markup((_TEMPLATES / "page.css").read_text(encoding="utf-8")),
        data_titles={key: wanted.title for key, wanted in WANTED.items()},
        seconds=sum(outcome.seconds for outcome in outcomes),
        counts=Counter(found),
        claims=sum(len(one.claims) for one in asked.values()),
    )
