"""Questions made for a test, and the parts of a page that are dear to make."""

import importlib
import sys

import pytest
from rich.console import Console

from graphreel.data import load
from graphreel.report import questions
from graphreel.report.build import build_report
from graphreel.report.question import find_questions
from graphreel.report.questions import palindromes
from graphreel.report.questions.q3_1.memory import measure
from graphreel.report.terminal import Terminal

MEASURE = """from dataclasses import dataclass
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Sizes:
    width: int = 3


SIZES = {{"quick": Sizes(), "full": Sizes(9)}}
SECONDS = {{"quick": 1.0, "full": 7200.0}}
USES = {uses}


def measure(sizes, workspace):
    with open(workspace.trainings.folder.parent / "ran.txt", "a") as file:
        file.write("{name} ")
{body}
    return {{"x": 2, "data": workspace.on_disk}}


def verdicts(numbers):
    return {{"a": "{verdict}"}}
"""
PAGE = """{% set title = "TITLE" %}
{% macro asked() %}
What?

## Equations
A step:

$$
h = \\tanh(W x)
y = h
$$

## a
Three.
{% endmacro %}
{% macro found() %}
It is ${{ x }}$, not <3>.

## a
Two.
SHOWN
{% endmacro %}
"""


@pytest.fixture
def add_question(tmp_path_factory, monkeypatch):
    """Lay a question's folder into an otherwise empty report."""
    place = tmp_path_factory.mktemp("questions")
    monkeypatch.setattr(questions, "__path__", [str(place)])

    def forget():
        names = [name for name in sys.modules if name.startswith(f"{questions.__name__}.")]
        return {name: sys.modules.pop(name) for name in names}

    real = forget()

    def add(folder, title, body="", verdict="confirmed", shown="", uses="()"):
        forget()
        importlib.invalidate_caches()
        (place / folder).mkdir(exist_ok=True)
        name = folder.replace("q", "Q").replace("_", ".")
        measure = MEASURE.format(body=body, verdict=verdict, uses=uses, name=name)
        (place / folder / "measure.py").write_text(measure)
        (place / folder / "page.md.jinja").write_text(PAGE.replace("TITLE", title).replace("SHOWN", shown))

    yield add
    forget()
    sys.modules.update(real)


PALINDROMES = dict(seeds=1, hidden=8, learning_rate=1e-2, steps=20, evaluate_every=10, untrained=1)
TINY = {
    "Q1.1": dict(problems=2, length=8, hidden=4, batch=4, steps=1),
    "Q1.2": dict(palindromes=palindromes.Sizes((2, 3), **PALINDROMES), cells=((2, 3, 1),)),
    "Q1.3": dict(lengths=(2, 3), **PALINDROMES),
    "Q1.4": dict(lengths=(2, 3), **PALINDROMES),
    "Q2.1": dict(steps=12, evaluate_every=4, hidden=8, prompts=2, count=2, length=40),
    "Q3.1": dict(edges=(1000, 2000)),
    "Q3.2": dict(seeds=1, updates=5),
    "Q3.3": dict(seeds=1),
    "Q3.4": dict(seeds=1, folds=1, epochs=2),
    "Q3.5": dict(seeds=1, epochs=1, footage=False),
}
TALE = "Sleeping beauty is asleep, and the king's son said: 'Who is that?' \"A hundred years,\" they answered. "


@pytest.fixture
def few_clips(monkeypatch):
    _few_clips(monkeypatch)


def _few_clips(patch):
    patch.setattr("graphreel.experiments.clips.load", lambda name: load(name, train=16, validation=8, test=16))


@pytest.fixture(scope="session")
def build_tiny(tmp_path_factory):
    """Build the report at the smallest sizes, where Grimm's tales are a few lines."""
    book = tmp_path_factory.mktemp("books") / "tale.txt"
    book.write_text(TALE * 20)

    def build(out, **options):
        with pytest.MonkeyPatch.context() as patch:
            _few_clips(patch)
            # a process of its own would take seconds to start
            patch.setattr("graphreel.report.questions.q3_1.measure.measure_apart", measure)
            terminal = Terminal(Console(quiet=True))
            return build_report(find_questions(), "tiny", out, {"grimm": str(book)}, terminal, **options)

    with pytest.MonkeyPatch.context() as patch:
        for question in find_questions():
            patch.setitem(question.module.SIZES, "tiny", question.module.Sizes(**TINY[question.id]))
            patch.setitem(question.module.SECONDS, "tiny", 1.0)
        build.book = book
        yield build


@pytest.fixture(scope="session")
def report(build_tiny, tmp_path_factory):
    """The folder and the outcomes of a whole report."""
    folder = tmp_path_factory.mktemp("report")
    return folder, build_tiny(folder)
