import re

import pytest

from graphreel.report.blocks import math, parse
from graphreel.report.data_uri import data_uri
from graphreel.report.question import find_questions
from graphreel.report.wording import as_time, fixed, listed, many, power, share, verbatim


def line(text):
    return parse(text)[""].line


def test_text_is_escaped_and_marks_are_set():
    made = line("a < b, `x & y`, *much* and $h_t$; 2 * 3 * 4")
    assert made.startswith("a &lt; b, <code>x &amp; y</code>, <em>much</em> and <span ")
    assert "<msub><mi>h</mi><mi>t</mi></msub>" in made and made.endswith(";</span> 2 * 3 * 4")
    assert parse("a < b, `x & y`, *much* and $h_t$")[""].plain == "a < b, x & y, much and h_t"


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "[x](javascript:alert(1))", "<javascript:alert(1)>"])
def test_no_element_and_no_link_comes_out_of_a_text(text):
    made = parse(text)[""].html()
    assert re.findall(r"<(?!/?p>)", made) == []


@pytest.mark.parametrize(
    "tex",
    [
        r"\text{<script>alert(1)</script>}",
        r"\text{&lt;script&gt;}",
        r"\mathrm{<img src=x onerror=alert(1)>}",
        r"\operatorname{<b>}",
        r"\href{javascript:alert(1)}{x}",
        r"\class{a}{x}",
        r"\style{background:url(//a.b)}{x}",
        r"x_{<script>}",
        "<script>",
    ],
)
def test_no_element_and_no_link_comes_out_of_a_formula(tex):
    made = str(math(tex))
    elements = re.findall(r"<(/?\w+)([^>]*)>", re.sub(r'"[^"]*"', '""', made))
    assert {name.strip("/") for name, _ in elements} <= {"math", "mrow", "mi", "mo", "mn", "msub", "mtext", "mstyle"}
    assert not re.search(r"\s(on\w+|href|src|style|class)=", re.sub(r'alttext="[^"]*"', "", made))
    assert "<" not in re.sub(r"</?\w+[^<>]*>", "", made)


def test_a_formula_carries_its_source_for_those_who_hear_it():
    made = math(r'a < b_{"}', display=True)
    assert 'display="block"' in made and 'alttext="a &lt; b_{&' in made


@pytest.mark.parametrize("question", find_questions(), ids=lambda question: question.id)
def test_every_formula_of_the_report_is_set_whole(question):
    asked = question.asked()
    tokens = [token for part in (asked.question, asked.equations, *asked.claims.values()) for token in part.tokens]
    children = [child for token in tokens for child in [token, *(token.children or [])]]
    formulas = [child.content for child in children if child.type in ("math_inline", "math_block")]
    for tex in [row for formula in formulas for row in formula.strip().splitlines()]:
        shown = re.sub(r"<[^>]+>", "", str(math(tex)))
        assert "\\" not in shown and "&" not in re.sub(r"&#?\w+;", "", shown), tex


def test_headings_part_a_text_and_a_command_is_told_by_the_paragraph_above_it():
    parts = parse("First $x$.\n\n## b\nSays:\n\n    graphreel x --out RUN --seeds 3\n\n## c\n")
    assert list(parts) == ["", "b", "c"] and parts[""].plain == "First x." and parts["c"].plain == ""
    assert parts["b"].commands == {"graphreel x --out RUN --seeds 3": "Says:"}


def test_a_command_breaks_between_its_flags_only():
    made = parse("Says:\n\n    graphreel rnn train --learning-rate 0.001 --no-skip --out RUN\n")[""].html()
    words = re.findall(r'<span class="tied">(.*?)</span>', made)
    assert words == ["graphreel", "rnn", "train", "--learning-rate 0.001", "--no-skip", "--out RUN"]


def test_a_table_has_a_caption_heads_and_cells_as_they_are():
    text = "`a*b|  c` <i>"
    made = parse(f"Table: Some & $x$\n\n| k | v |\n|---|---|\n| a | {verbatim(text)} |\n")[""].html()
    assert "<caption><span>Some &amp; <math " in made and 'aria-label="Some &amp; x (table)"' in made
    assert '<th scope="col">k</th>' in made and '<th scope="row">a</th>' in made
    assert '<td class="verbatim">`a*b|  c` &lt;i&gt;</td>' in made


def test_pictures_stand_side_by_side_and_wide_ones_can_be_enlarged(tmp_path):
    for name, width in (("a", 72), ("b", 720)):
        size = f'width="{width}pt" height="36pt"'
        (tmp_path / f"{name}.svg").write_text(f'<svg xmlns="http://www.w3.org/2000/svg" {size}/>')
    block = parse('![It <rises>.](a.svg "A $x$ & more.")\n![](b.svg "Wide.")\n')[""]
    made = block.html(tmp_path)
    assert block.pictures == ["a.svg", "b.svg"] and made.startswith('<div class="figures"><figure><img ')
    assert 'alt="It &lt;rises&gt;."' in made and "<figcaption>A <math " in made
    assert made.count('<input type="checkbox">') == 1 and '<figure class="wide">' in made


def test_pictures_tell_their_size(tmp_path):
    from PIL import Image

    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    Image.new("RGB", (12, 8)).save(tmp_path / "a.gif")
    (tmp_path / "a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt"/>')
    images = [data_uri(tmp_path / f"a.{kind}") for kind in ("png", "gif", "svg")]
    assert [(image.width, image.height) for image in images] == [(30, 20), (12, 8), (96, 48)]
    assert images[2].uri.startswith("data:image/svg+xml;base64,")
    (tmp_path / "b.svg").write_text("<svg/>")
    with pytest.raises(ValueError, match=r"b\.svg does not say its size"):
        data_uri(tmp_path / "b.svg")
    with pytest.raises(ValueError, match=r"a\.txt is no picture for a page: expected one of \.svg, \.png, \.gif"):
        data_uri(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0"), (0.5, "0.5"), (931.4, "931"), (4.44e-16, "4.4 · 10⁻¹⁶"), (20454.0, "2.0 · 10⁴")]
)
def test_numbers_are_written_for_people(value, said):
    assert power(value) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.25, "0.2 s"), (7.4, "7 s"), (125, "2 min 05 s"), (11400, "3 h 10 min")]
)
def test_times_are_written_for_people(seconds, said):
    assert as_time(seconds) == said


def test_words():
    assert [share(2 / 3), many(1, "seed"), many(3, "seed"), fixed(-0.5, 1)] == ["66.7 %", "1 seed", "3 seeds", "−0.5"]
    assert [listed(["a"]), listed(["a", "b", "c"])] == ["a", "a, b and c"]


def test_a_number_stays_with_its_unit():
    assert line("5 % of 2 · 10⁻³ in 12 MB, 3 ± 1 % in 4 ms at 7 steps") == (
        "5\u00a0% of 2\u00a0·\u00a010⁻³ in 12\u00a0MB, 3\u00a0±\u00a01\u00a0% in 4\u00a0ms at 7 steps"
    )


def test_a_bracket_stays_with_its_formula():
    made = line("Right ($T = 5$), or $T$ again.")
    assert made.startswith('Right <span class="tied">(<math ') and "</math>),</span> or <math " in made
    assert parse("Right ($T = 5$), or $T$.")[""].plain == "Right (T = 5), or T."


def test_a_named_function_is_no_operator_between_gaps():
    assert "<mi>softmax</mi>" in math(r"\operatorname{softmax}(p)") and "<mo>+</mo>" in math("a + b")
