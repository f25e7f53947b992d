import io
import json
from dataclasses import dataclass, replace

import pytest
from matplotlib.figure import Figure as Drawing
from rich.console import Console

from graphreel.report.answer import Answer, Finding, Formula, Table, Text
from graphreel.report.making import make_report
from graphreel.report.section import Equation, Section
from graphreel.report.store import Store
from graphreel.report.terminal import Terminal, as_time


@dataclass(frozen=True)
class Sizes:
    width: int = 3


@pytest.fixture
def ran():
    """The ids of the sections in the order in which they ran."""
    return []


@pytest.fixture
def sections(ran):
    def answer(sizes, workspace):
        ran.append("Q1.1")
        drawing = Drawing(figsize=(4, 3))
        drawing.subplots().plot(range(sizes.width))
        blocks = [
            workspace.figure("line", drawing, "A rising line.", "A line of $x_t$."),
            Table("Some & <more>", ["$x$", "y"], [["a", "<b>"]], verbatim=[1]),
            Formula(r"\begin{pmatrix}1 & 2\end{pmatrix}", "A matrix:"),
            Text("A *stressed* word and `code <x>`."),
        ]
        return Answer(
            "corrected",
            "It is $2$, not <3>.",
            [Finding("a", "corrected", "Two.")],
            blocks,
            {"x": 2},
            {"graphreel x": "x"},
        )

    def failing(sizes, workspace):
        ran.append("Q1.2")
        raise ValueError("the data <b>ran</b> away")

    def other(sizes, workspace):
        ran.append("Q2.1")
        return Answer("completed", "Shown.", [Finding("a", "completed", "Done.")], [], {"data": workspace.on_disk})

    equation = Equation("h = \\tanh(W x)\ny = h", "A step:")
    shared = dict(
        question="What?", equations=(equation,), claims={"a": "Three."}, sizes={"quick": Sizes(), "full": Sizes(9)},
        expected={"quick": 1.0, "full": 7200.0},
    )  # fmt: skip
    return (
        Section(id="Q1.1", title="First", run=answer, **shared),
        Section(id="Q1.2", title="Second", run=failing, **shared),
        Section(id="Q2.1", title="Third", run=other, uses=("cora",), **shared),
    )


def make(sections, out, mode="quick", on_disk=None, **options):
    terminal = Terminal(Console(quiet=True))
    return make_report(sections, mode, out, on_disk or {}, terminal, **options)


def read(out):
    return {section["id"]: section for section in json.loads((out / "report.json").read_text())["sections"]}


def test_a_failed_section_says_why_and_the_others_stand(sections, ran, tmp_path):
    outcomes = make(sections, tmp_path)
    assert ran == ["Q1.1", "Q1.2", "Q2.1"]
    assert [outcome.status for outcome in outcomes] == ["finished", "failed", "finished"]
    numbers = read(tmp_path)
    assert numbers["Q1.1"]["numbers"] == {"x": 2} and numbers["Q1.1"]["verdict"] == "corrected"
    assert numbers["Q1.2"]["reason"] == "ValueError: the data <b>ran</b> away"
    page = (tmp_path / "index.html").read_text()
    assert "the data &lt;b&gt;ran&lt;/b&gt; away" in page and "<b>ran" not in page
    assert 'id="q2-1"' in page and "Shown." in page
    assert "0 of the 3 points below" in page


def test_what_is_finished_is_not_run_again_and_what_failed_is(sections, ran, tmp_path):
    make(sections, tmp_path)
    page = (tmp_path / "index.html").read_text()
    outcomes = make(sections, tmp_path)
    assert ran == ["Q1.1", "Q1.2", "Q2.1", "Q1.2"]
    assert [outcome.earlier for outcome in outcomes] == [True, False, True]
    again = (tmp_path / "index.html").read_text()
    assert page.count("data:image/svg") == again.count("data:image/svg") == 1


def test_an_interrupted_report_goes_on_where_it_stopped(sections, ran, tmp_path):
    def interrupted(sizes, workspace):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make((sections[0], replace(sections[1], run=interrupted), sections[2]), tmp_path)
    assert [s["status"] for s in read(tmp_path).values()] == ["finished", "pending", "pending"]
    assert "not run yet" in (tmp_path / "index.html").read_text()
    make((sections[0], sections[2]), tmp_path)
    assert ran == ["Q1.1", "Q2.1"]


def test_other_sizes_or_other_data_run_a_section_again(sections, ran, tmp_path):
    first, _, third = sections
    make((first, third), tmp_path)
    make((replace(first, sizes={"quick": Sizes(4)}), third), tmp_path)
    assert ran == ["Q1.1", "Q2.1", "Q1.1"]
    make((third,), tmp_path, on_disk={"cora": "cora", "jhmdb": "clips.npz"})
    assert ran == ["Q1.1", "Q2.1", "Q1.1", "Q2.1"]
    assert read(tmp_path)["Q2.1"]["numbers"]["data"] == {"cora": "cora"}


@pytest.mark.parametrize("spoil", ["picture", "answer", "verdict"])
def test_a_section_whose_files_are_damaged_runs_again(sections, ran, tmp_path, spoil):
    make(sections[:1], tmp_path)
    folder = Store(tmp_path / "sections").of(sections[0])
    answer = folder / "answer.json"
    if spoil == "picture":
        (folder / "line.svg").unlink()
    elif spoil == "answer":
        answer.write_text(answer.read_text()[:50])
    else:
        answer.write_text(answer.read_text().replace('"corrected"', '"unheard of"'))
    make(sections[:1], tmp_path)
    assert ran == ["Q1.1", "Q1.1"]


def test_only_and_overwrite_choose_what_runs(sections, ran, tmp_path):
    outcomes = make(sections, tmp_path, only=["Q2.1"])
    assert [outcome.status for outcome in outcomes] == ["pending", "pending", "finished"]
    make((sections[0], sections[2]), tmp_path, only=["Q2.1"], overwrite=True)
    assert ran == ["Q2.1", "Q2.1"]


def test_folders_that_cannot_be_taken_are_refused(sections, tmp_path):
    with pytest.raises(ValueError, match=r"--only expects one of Q1\.1, Q1\.2, Q2\.1, got 'Q9'"):
        make(sections, tmp_path, only=["Q9"])
    make(sections[:1], tmp_path / "report")
    with pytest.raises(ValueError, match="report already holds a quick report"):
        make(sections[:1], tmp_path / "report", mode="full")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="--out expects a folder, got the file"):
        make(sections, tmp_path / "file")


def test_the_terminal_tells_section_expected_time_and_verdict(sections, tmp_path):
    console = Console(record=True, width=200, file=io.StringIO())
    terminal = Terminal(console)
    outcomes = make_report(sections, "full", tmp_path, {}, terminal)
    terminal.finish(outcomes, tmp_path / "index.html")
    said = console.export_text()
    assert "3 sections to run, about 6 h 00 min on two idle cores" in said
    assert "[1/3] Q1.1  First (expected 2 h 00 min, 6 h 00 min in all)" in said
    assert "Q1.1  First: corrected in" in said
    assert "Q1.2  Second: failed after" in said and "ValueError: the data <b>ran</b> away" in said
    assert "It is 2, not <3>." in said
    assert str(tmp_path / "index.html") in said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.25, "0.2 s"), (7.4, "7 s"), (125, "2 min 05 s"), (11400, "3 h 10 min")]
)
def test_times_are_written_for_people(seconds, said):
    assert as_time(seconds) == said


def test_a_verdict_is_one_of_three():
    with pytest.raises(ValueError, match="one of confirmed, corrected, completed, got 'fine'"):
        Finding("a", "fine", "")


LOOK = """(() => {
  const images = [...document.images];
  return {
    wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
    images: images.length,
    blank: images.filter(i => !i.complete || i.naturalWidth == 0 || i.getBoundingClientRect().width < 40).length,
    unnamed: images.filter(i => !i.alt).length,
    headings: [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1]),
    formulas: document.querySelectorAll('math').length,
    landmarks: ['header', 'nav', 'main'].every(name => document.querySelector(name)),
    skip: document.querySelector(document.querySelector('.skip').getAttribute('href')) != null,
    broken: [...document.querySelectorAll('nav a')].filter(a => !document.querySelector(a.getAttribute('href'))).length,
    paper: getComputedStyle(document.body).backgroundColor,
  };
})()"""


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_in_a_browser(sections, tmp_path, browser, width, dark):
    make(sections, tmp_path)
    browser.open(tmp_path / "index.html", width, dark=dark)
    seen = browser.evaluate(LOOK)
    assert not seen["wide"] and seen["blank"] == seen["unnamed"] == seen["broken"] == 0
    assert seen["images"] == 1 and seen["formulas"] > 5 and seen["landmarks"] and seen["skip"]
    steps = zip(seen["headings"], seen["headings"][1:], strict=False)
    assert seen["headings"][0] == 1 and all(after - before <= 1 for before, after in steps)
    red = int(seen["paper"].removeprefix("rgb(").split(",")[0])
    assert red < 60 if dark else red > 200
    assert complaints(browser) == []


def complaints(browser):
    """What the console said, and every request that left the page."""
    said = {"Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Network.loadingFailed"}
    events = [event for event in browser.events if event.get("method") in said]
    asked = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    return events + [url for url in asked if not url.startswith(("file:", "data:"))]
