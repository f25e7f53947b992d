import io
import json

import pytest
from rich.console import Console

from graphreel.report.build import build_report
from graphreel.report.cache import Cache
from graphreel.report.findings import Findings
from graphreel.report.question import find_questions
from graphreel.report.terminal import Terminal

RUNS = """
    drawing = Figure(figsize=(4, 3))
    drawing.subplots().plot(range(sizes.width))
    workspace.figure("line", drawing)
"""
FAILS = """
    raise ValueError("the data <b>ran</b> away")
"""
SHOWN = """
## Shown
![A rising line.](line.svg "A line of $x_t$.")

Table: Some & <more>

| $x$ | y |
|---|---|
| a | {{ "<b>" | verbatim }} |

A matrix:

$$
\\begin{pmatrix}1 & 2\\end{pmatrix}
$$

A *stressed* word and `code <x>`.

## Repeat
Prints {{ x }}:

    graphreel x
"""


@pytest.fixture
def folders(add_question):
    """Three questions in folders of their own: one that is corrected, one that fails, one that is completed."""
    add_question("q1_1", "First", RUNS, "corrected", SHOWN)
    add_question("q1_2", "Second", FAILS)
    add_question("q2_1", "Third", "", "completed", uses='("cora",)')


def make(out, mode="quick", on_disk=None, ids=None, **options):
    chosen = [question for question in find_questions() if question.id in (ids or ("Q1.1", "Q1.2", "Q2.1"))]
    return build_report(chosen, mode, out, on_disk or {}, Terminal(Console(quiet=True)), **options)


def ran(out):
    """The ids of the questions in the order in which they ran."""
    return (out / "ran.txt").read_text().split()


def read(out):
    return {section["id"]: section for section in json.loads((out / "report.json").read_text())["sections"]}


pytestmark = pytest.mark.usefixtures("folders")


def test_a_folder_is_a_question_without_a_line_elsewhere(add_question):
    add_question("q10_2", "Last")
    add_question("q2_11", "Before")
    assert [question.id for question in find_questions()] == ["Q1.1", "Q1.2", "Q2.1", "Q2.11", "Q10.2"]


def test_a_failed_question_says_why_and_the_others_stand(tmp_path):
    outcomes = make(tmp_path)
    assert ran(tmp_path) == ["Q1.1", "Q1.2", "Q2.1"]
    assert [outcome.status for outcome in outcomes] == ["finished", "failed", "finished"]
    numbers = read(tmp_path)
    assert numbers["Q1.1"]["numbers"] == {"x": 2, "data": {}} and numbers["Q1.1"]["verdict"] == "corrected"
    assert numbers["Q1.1"]["sentence"] == "It is 2, not <3>." and numbers["Q1.1"]["commands"] == {
        "graphreel x": "Prints 2:",
        "graphreel report --quick --only Q1.1 --out runs/q1-1": "All of this section, its numbers in report.json:",
    }
    assert numbers["Q1.1"]["findings"] == [{"part": "a", "verdict": "corrected", "sentence": "Two."}]
    assert numbers["Q1.2"]["reason"] == "ValueError: the data <b>ran</b> away"
    page = (tmp_path / "index.html").read_text()
    assert "the data &lt;b&gt;ran&lt;/b&gt; away" in page and "<b>ran" not in page
    assert 'id="q2-1"' in page and "Third" in page
    assert "0 of the 3 points below" in page


def test_what_is_finished_is_not_run_again_and_what_failed_is(tmp_path):
    make(tmp_path)
    page = (tmp_path / "index.html").read_text()
    outcomes = make(tmp_path)
    assert ran(tmp_path) == ["Q1.1", "Q1.2", "Q2.1", "Q1.2"]
    assert [outcome.earlier for outcome in outcomes] == [True, False, True]
    again = (tmp_path / "index.html").read_text()
    assert page.count("data:image/svg") == again.count("data:image/svg") == 1


def test_another_text_is_said_without_a_new_run_and_another_measurement_runs_again(tmp_path, add_question):
    make(tmp_path, ids=["Q1.1"])
    add_question("q1_1", "Renamed", RUNS, "corrected", SHOWN)
    make(tmp_path, ids=["Q1.1"])
    assert ran(tmp_path) == ["Q1.1"] and "Renamed" in (tmp_path / "index.html").read_text()
    add_question("q1_1", "Renamed", RUNS + "    # other\n", "corrected", SHOWN)
    make(tmp_path, ids=["Q1.1"])
    assert ran(tmp_path) == ["Q1.1", "Q1.1"]


def test_an_interrupted_report_goes_on_where_it_stopped(tmp_path, add_question):
    add_question("q1_2", "Second", "\n    raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path)
    assert [s["status"] for s in read(tmp_path).values()] == ["finished", "pending", "pending"]
    assert "not run yet" in (tmp_path / "index.html").read_text()
    make(tmp_path, ids=["Q1.1", "Q2.1"])
    assert ran(tmp_path) == ["Q1.1", "Q1.2", "Q2.1"]


def test_other_sizes_or_other_data_run_a_question_again(tmp_path, monkeypatch):
    make(tmp_path, ids=["Q1.1", "Q2.1"])
    first = find_questions()[0].module
    monkeypatch.setitem(first.SIZES, "quick", first.Sizes(4))
    make(tmp_path, ids=["Q1.1", "Q2.1"])
    assert ran(tmp_path) == ["Q1.1", "Q2.1", "Q1.1"]
    make(tmp_path, ids=["Q2.1"], on_disk={"cora": "cora", "jhmdb": "clips.npz"})
    assert ran(tmp_path) == ["Q1.1", "Q2.1", "Q1.1", "Q2.1"]
    assert read(tmp_path)["Q2.1"]["numbers"]["data"] == {"cora": "cora"}


@pytest.mark.parametrize("spoil", ["picture", "numbers", "number"])
def test_a_question_whose_files_are_damaged_runs_again(tmp_path, spoil):
    make(tmp_path, ids=["Q1.1"])
    folder = Cache(tmp_path / "sections").of(find_questions()[0])
    numbers = folder / "numbers.json"
    if spoil == "picture":
        (folder / "line.svg").unlink()
    elif spoil == "numbers":
        numbers.write_text(numbers.read_text()[:50])
    else:
        numbers.write_text(numbers.read_text().replace('"x"', '"y"'))
    make(tmp_path, ids=["Q1.1"])
    assert ran(tmp_path) == ["Q1.1", "Q1.1"]


def test_only_and_overwrite_choose_what_runs(tmp_path):
    outcomes = make(tmp_path, only=["Q2.1"])
    assert [outcome.status for outcome in outcomes] == ["pending", "pending", "finished"]
    make(tmp_path, ids=["Q1.1", "Q2.1"], only=["Q2.1"], overwrite=True)
    assert ran(tmp_path) == ["Q2.1", "Q2.1"]


def test_folders_that_cannot_be_taken_are_refused(tmp_path):
    make(tmp_path / "report", ids=["Q1.1"])
    with pytest.raises(ValueError, match="report already holds a quick report"):
        make(tmp_path / "report", ids=["Q1.1"], mode="full")
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="--out expects a folder, got the file"):
        make(tmp_path / "file")


def test_the_terminal_tells_question_expected_time_and_verdict(tmp_path):
    console = Console(record=True, width=200, file=io.StringIO())
    terminal = Terminal(console)
    outcomes = build_report(find_questions(), "full", tmp_path, {}, terminal)
    terminal.finish(outcomes, tmp_path / "index.html")
    said = console.export_text()
    assert "3 questions to run, about 6 h 00 min on two idle cores" in said
    assert "[1/3] Q1.1  First (expected 2 h 00 min, 6 h 00 min in all)" in said
    assert "Q1.1  First: corrected in" in said
    assert "Q1.2  Second: failed after" in said and "ValueError: the data <b>ran</b> away" in said
    assert "It is 2, not <3>." in said
    assert str(tmp_path / "index.html") in said


def test_a_verdict_is_one_of_three_and_belongs_to_a_part():
    with pytest.raises(ValueError, match="one of confirmed, corrected, completed, got 'fine'"):
        Findings.parse("It is.\n\n## a\nSo.\n", {"a": "fine"})
    with pytest.raises(ValueError, match="verdicts expects the parts a, got b"):
        Findings.parse("It is.\n\n## a\nSo.\n", {"b": "confirmed"})


@pytest.mark.parametrize(
    ("parts", "verdict"),
    [
        ("confirmed confirmed", "confirmed"),
        ("confirmed completed", "completed"),
        ("completed corrected confirmed", "corrected"),
    ],
)
def test_a_question_is_judged_by_its_parts(parts, verdict):
    text = "It is.\n" + "".join(f"\n## {number}\nSo.\n" for number, _ in enumerate(parts.split()))
    verdicts = {str(number): part for number, part in enumerate(parts.split())}
    assert Findings.parse(text, verdicts).verdict == verdict


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
def test_the_page_in_a_browser(tmp_path, browser, width, dark):
    make(tmp_path)
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
