"""Every section of the report at the smallest sizes, from end to end."""

import importlib
import json
import shlex
from dataclasses import replace

import pytest
import typer
from rich.console import Console

from graphreel.__main__ import app
from graphreel.cli.report import QUESTIONS
from graphreel.data import load
from graphreel.report.answer import Table
from graphreel.report.clips_section import told_apart
from graphreel.report.making import make_report
from graphreel.report.sections import SECTIONS
from graphreel.report.sequence_runs import PalindromeSizes
from graphreel.report.terminal import Terminal
from graphreel.report.training_memory import measure

PALINDROMES = PalindromeSizes((2, 3), seeds=1, hidden=8, learning_rate=1e-2, steps=20, evaluate_every=10, untrained=1)
TINY = {
    "Q1.1": ("gradients", dict(problems=2, steps=8, hidden=4, batch=4, training_steps=1)),
    "Q1.2": ("gates", dict(palindromes=PALINDROMES, cells=[[2, 3, 1]])),
    "Q1.3": ("palindromes", dict(palindromes=PALINDROMES)),
    "Q1.4": ("palindromes", dict(palindromes=PALINDROMES)),
    "Q2.1": ("text", dict(steps=12, evaluate_every=4, hidden=8, prompts=2, count=2, length=40)),
    "Q3.1": ("convolution", dict(edges=(1000, 2000))),
    "Q3.2": ("six_nodes", dict(seeds=1, updates=5)),
    "Q3.3": ("attention", dict(seeds=1)),
    "Q3.4": ("applications", dict(seeds=1, folds=1, epochs=2)),
    "Q3.5": ("clips", dict(seeds=1, epochs=1)),
}
TALE = "Sleeping beauty is asleep, and the king's son said: 'Who is that?' \"A hundred years,\" they answered. "


def tiny(section):
    module, sizes = TINY[section.id]
    settings = importlib.import_module(f"graphreel.report.{module}_section").Sizes(**sizes)
    return replace(section, sizes={"tiny": settings}, expected={"tiny": 1.0})


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """The folder and the outcomes of a whole report."""
    folder = tmp_path_factory.mktemp("report")
    book = folder / "tale.txt"
    book.write_text(TALE * 20)
    with pytest.MonkeyPatch.context() as patch:
        # a process of its own would take seconds to start
        patch.setattr("graphreel.report.convolution_section.measure_apart", measure)
        patch.setattr("graphreel.experiments.clips.load", lambda name: load(name, train=16, validation=8, test=16))
        terminal = Terminal(Console(quiet=True))
        outcomes = make_report([tiny(s) for s in SECTIONS], "tiny", folder / "out", {"grimm": str(book)}, terminal)
    return folder / "out", outcomes


def test_the_command_knows_the_sections():
    assert tuple(section.id for section in SECTIONS) == QUESTIONS


def test_every_section_is_filled(report):
    folder, outcomes = report
    assert [outcome.trace for outcome in outcomes if outcome.trace] == []
    sections = json.loads((folder / "report.json").read_text())["sections"]
    assert [section["id"] for section in sections] == [section.id for section in SECTIONS] == sorted(TINY)
    for section in sections:
        assert section["status"] == "finished" and section["numbers"] and section["sentence"] and section["commands"]


def test_every_claim_has_a_finding_and_every_table_is_whole(report):
    _, outcomes = report
    for outcome in outcomes:
        assert {finding.part for finding in outcome.answer.findings} == set(outcome.section.claims)
        for table in (block for block in outcome.answer.blocks if isinstance(block, Table)):
            assert table.rows and {len(row) for row in table.rows} == {len(table.head)}, table.caption


def test_the_commands_on_the_page_are_commands(report):
    _, outcomes = report
    for outcome in outcomes:
        for line in outcome.answer.commands:
            program, *arguments = shlex.split(line)
            assert program == "graphreel"
            command = typer.main.get_command(app)
            context = command.make_context("graphreel", arguments)
            while hasattr(command, "resolve_command"):
                name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
                context = command.make_context(name, rest, parent=context)


def test_the_facts_of_the_report_come_out(report):
    answers = {outcome.section.id: outcome.answer for outcome in report[1]}
    check = answers["Q1.1"].numbers["closed_form_minus_autograd"]
    assert max(max(row.values()) for row in check.values()) < 1e-12
    assert answers["Q1.1"].numbers["bound_holds"]
    assert answers["Q1.2"].numbers["parameters"]["2, 3, 1"]["one_bias"] == 4 * (2 * 3 + 3**2 + 3) + 3 + 1
    assert answers["Q1.3"].numbers["T=3"]["chance"] == pytest.approx(2 / 3, abs=0.02)
    six = answers["Q3.2"]
    assert six.numbers["matrix_as_reported"] and six.numbers["updates_from_C_to_E"] == 4
    assert [value == 0 for value in six.numbers["derivative_of_E_by_C"]] == [True] * 4 + [False] * 2
    assert six.numbers["walks_from_C_to_E"][:5] == [0, 0, 0, 0, 2]
    assert max(answers["Q3.1"].numbers["differences"].values()) < 1e-12
    attention = answers["Q3.3"].numbers
    assert attention["difference"] < 1e-12 and attention["moved"] > 1e-3
    assert sum(row["attention"] for row in attention["weights"].values()) == pytest.approx(1, abs=1e-5)
    assert sorted(attention["weights"]) == ["A", "B", "E", "F"]
    clips = answers["Q3.5"].numbers
    assert sum(map(sum, clips["models"]["both"]["confusion"])) == 16


def test_structure_and_order_are_told_apart():
    classes = ["alike left", "alike right", "mixed left", "mixed right"]
    blind_to_order = [[4, 4, 0, 0], [4, 4, 0, 0], [0, 0, 3, 5], [0, 0, 5, 3]]
    assert told_apart(blind_to_order, classes) == {"structure": 1.0, "order": pytest.approx(14 / 32)}
    blind_to_structure = [[3, 0, 5, 0], [0, 4, 0, 4], [4, 0, 4, 0], [0, 4, 0, 4]]
    assert told_apart(blind_to_structure, classes) == {"structure": pytest.approx(15 / 32), "order": 1.0}


LOOK = """(() => ({
  wide: document.documentElement.scrollWidth > document.documentElement.clientWidth,
  blank: [...document.images].filter(i => i.naturalWidth == 0 || i.getBoundingClientRect().width < 100).length,
  images: document.images.length,
  unformed: [...document.querySelectorAll('merror')].length,
  marks: [...document.querySelectorAll('main p, main dt, main td, main th, main caption, main figcaption')]
    .filter(e => !e.matches('.verbatim')).flatMap(e => [...e.childNodes]).filter(n => n.nodeType == 3)
    .map(n => n.data).filter(text => /[$`]/.test(text)),
}))()"""


@pytest.mark.parametrize("width", [390, 1280])
def test_the_whole_page_in_a_browser(report, browser, width):
    folder, outcomes = report
    browser.open(folder / "index.html", width)
    seen = browser.evaluate(LOOK)
    pictures = sum(hasattr(block, "alt") for outcome in outcomes for block in outcome.answer.blocks)
    assert seen == {"wide": False, "blank": 0, "images": pictures, "unformed": 0, "marks": []}
    asked = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


FAINT = """(() => {
  const light = colour => {
    const channels = colour.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255);
    const [r, g, b] = channels.map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const paper = e => {
    const colour = getComputedStyle(e).backgroundColor;
    return colour == 'rgba(0, 0, 0, 0)' && e.parentElement ? paper(e.parentElement) : colour;
  };
  const texts = [...document.body.querySelectorAll('*')]
    .filter(e => e.getClientRects().length && [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()));
  const ratios = texts.map(e => {
    const [a, b] = [light(getComputedStyle(e).color), light(paper(e))];
    return [(Math.max(a, b) + .05) / (Math.min(a, b) + .05), e.tagName, e.className, e.textContent.slice(0, 30)];
  });
  return {count: ratios.length, faint: ratios.filter(([ratio]) => ratio < 4.5)};
})()"""


@pytest.mark.parametrize("dark", [False, True])
def test_all_text_stands_out_from_its_ground(report, browser, dark):
    """At 4.5 to 1 or more: level AA of the Web Content Accessibility Guidelines 2.2, 1.4.3."""
    browser.open(report[0] / "index.html", dark=dark)
    seen = browser.evaluate(FAINT)
    assert seen["count"] > 200 and seen["faint"] == []


def test_the_page_by_keyboard(report, browser):
    browser.open(report[0] / "index.html", 390)

    def press(key):
        for kind in ("rawKeyDown", "keyUp"):
            code = {"Tab": 9, "Enter": 13}[key]
            browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)
            if key == "Enter" and kind == "rawKeyDown":
                browser.call("Input.dispatchKeyEvent", type="char", text="\r", key=key)

    def focus():
        return browser.evaluate(
            "(e => [e.className || e.tagName, getComputedStyle(e).outlineStyle, e.getBoundingClientRect().left])"
            "(document.activeElement)"
        )

    press("Tab")
    name, outline, left = focus()
    assert name == "skip" and outline == "solid" and left >= 0
    press("Enter")
    assert focus()[0] == "MAIN"
    reachable = "[...document.querySelectorAll('main a[href], main [tabindex=\"0\"], main summary')].length"
    found = []
    for _ in range(browser.evaluate(reachable)):
        press("Tab")
        found.append(focus())
    assert found and all(name != "BODY" and outline == "solid" for name, outline, _ in found)


def test_the_page_on_paper(report, browser):
    browser.open(report[0] / "index.html", 700)  # A4 between its margins
    browser.call("Emulation.setEmulatedMedia", media="print")
    shown = browser.evaluate("['nav', '.skip'].map(s => getComputedStyle(document.querySelector(s)).display)")
    assert shown == ["block", "none"]
    assert not browser.evaluate(LOOK)["wide"]
    hidden = (
        """[...document.querySelectorAll('main .scroll')].filter(e => getComputedStyle(e).overflowX != 'visible')"""
    )
    assert browser.evaluate(hidden + ".length") == 0
    browser.call("Emulation.setEmulatedMedia", media="")
