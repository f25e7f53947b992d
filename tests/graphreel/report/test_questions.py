"""Every question of the report at the smallest sizes, from end to end."""

import json
import shlex

import pytest
import typer

from graphreel.cli.app import app
from graphreel.experiments.clip_settings import ClipSettings
from graphreel.report import questions
from graphreel.report.questions.q3_5.measure import footage, told_apart
from graphreel.report.workspace import Trainings, Workspace


def test_every_question_is_answered(report):
    folder, outcomes = report
    assert [outcome.trace for outcome in outcomes if outcome.trace] == []
    sections = json.loads((folder / "report.json").read_text())["sections"]
    assert [section["id"] for section in sections] == list(questions.folders())
    for section in sections:
        assert section["status"] == "finished" and section["numbers"] and section["sentence"] and section["commands"]


def test_every_claim_has_a_finding_and_every_table_is_whole(report):
    _, outcomes = report
    for outcome in outcomes:
        assert [finding.part for finding in outcome.findings.findings] == list(outcome.question.asked().claims)
        assert all(finding.text.plain for finding in outcome.findings.findings)
        kinds = [token.type for token in outcome.findings.shown.tokens]
        for number in [place for place, kind in enumerate(kinds) if kind == "table_open"]:
            rows = " ".join(kinds[number : kinds.index("table_close", number)]).split("tr_open")[1:]
            columns = {row.count("th_open") + row.count("td_open") for row in rows}
            assert len(rows) > 1 and len(columns) == 1 and outcome.findings.shown.tokens[number].meta["caption"]
            cells = [t for t in outcome.findings.shown.tokens[number:] if t.type == "inline"]
            assert cells[columns.pop()].content


def test_the_commands_on_the_page_are_commands(report):
    _, outcomes = report
    for outcome in outcomes:
        for line in outcome.findings.repeat.commands:
            program, *arguments = shlex.split(line)
            assert program == "graphreel"
            command = typer.main.get_command(app)
            context = command.make_context("graphreel", arguments)
            while hasattr(command, "resolve_command"):
                name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
                context = command.make_context(name, rest, parent=context)


def test_the_facts_of_the_report_come_out(report):
    found = {outcome.question.id: outcome.numbers for outcome in report[1]}
    check = found["Q1.1"]["largest_difference"]
    assert max(max(row.values()) for row in check.values()) < 1e-12
    assert found["Q1.1"]["bound_holds"]
    assert found["Q1.2"]["parameters"]["2, 3, 1"]["one_bias"] == 4 * (2 * 3 + 3**2 + 3) + 3 + 1
    assert found["Q1.3"]["opened"]["3"]["chance"] == pytest.approx(2 / 3, abs=0.02)
    six = found["Q3.2"]
    assert six["matrix_as_reported"] and six["updates_from_C_to_E"] == 4
    assert [value == 0 for value in six["derivative_of_E_by_C"]] == [True] * 4 + [False] * 2
    assert six["walks_from_C_to_E"][:5] == [0, 0, 0, 0, 2]
    assert max(found["Q3.1"]["differences"].values()) < 1e-12
    attention = found["Q3.3"]
    assert attention["difference"] < 1e-12 and attention["moved"] > 1e-3
    assert sum(row["attention"] for row in attention["weights"].values()) == pytest.approx(1, abs=1e-5)
    assert sorted(attention["weights"]) == ["A", "B", "E", "F"]
    assert sum(map(sum, found["Q3.5"]["models"]["both"]["confusion"])) == 16


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
    pictures = sum(len(outcome.findings.shown.pictures) for outcome in outcomes)
    assert seen == {"wide": False, "blank": 0, "images": pictures, "unformed": 0, "marks": []}
    asked = [e["params"]["request"]["url"] for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


FIT = """(() => {
  const inside = e => e.getBoundingClientRect().right <= document.documentElement.clientWidth;
  const wide = [...document.querySelectorAll('figure.wide')];
  wide.forEach(e => e.scrollIntoView());
  const before = [...document.images].every(inside);
  wide.forEach(e => e.querySelector('input').click());
  return {
    wide: wide.length, before, after: wide.every(e => !inside(e.querySelector('img'))),
    scroll: wide.every(e => (d => d.scrollWidth > d.clientWidth)(e.querySelector('.scroll'))),
    page: document.documentElement.scrollWidth > document.documentElement.clientWidth,
    captions: [...document.querySelectorAll('caption > span')].every(inside),
    broken: [...document.querySelectorAll('pre .tied')].filter(e => e.getClientRects().length > 1).length,
  };
})()"""


def test_on_a_phone_pictures_fit_and_can_be_enlarged_and_flags_are_not_broken(report, browser):
    browser.open(report[0] / "index.html", 420)
    seen = browser.evaluate(FIT)
    assert seen.pop("wide") > 3
    assert seen == {"before": True, "after": True, "scroll": True, "page": False, "captions": True, "broken": 0}


@pytest.mark.parametrize("dark", [False, True])
def test_pictures_are_as_dark_as_the_page(report, browser, dark):
    browser.open(report[0] / "index.html", dark=dark)
    filters = browser.evaluate("[...new Set([...document.images].map(i => getComputedStyle(i).filter))]")
    assert filters == ["invert(0.9) hue-rotate(180deg)" if dark else "none"]


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


def test_footage_is_trained_on_and_drawn(tmp_path, monkeypatch):
    pytest.importorskip("cv2")
    monkeypatch.setattr(ClipSettings, "PRESETS", {**ClipSettings.PRESETS, "videos": {"epochs": 1}})
    workspace = Workspace(tmp_path / "page", Trainings(tmp_path), {})
    seen = footage(workspace)
    assert seen["classes"] == ["circle", "diagonal", "square"] and not seen["real"]
    assert {"majority", "logistic_regression"} <= set(seen["baselines"])
    assert (tmp_path / "page" / "footage.png").is_file()
