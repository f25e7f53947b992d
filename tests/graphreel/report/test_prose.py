import re

import pytest

from graphreel.report.embedding import embed
from graphreel.report.prose import math, plain, prose
from graphreel.report.sections import SECTIONS
from graphreel.report.wording import listed, many, power, share


def test_text_is_escaped_and_marks_are_set():
    made = prose("a < b, `x & y`, *much* and $h_t$; 2 * 3 * 4")
    assert made.startswith("a &lt; b, <code>x &amp; y</code>, <em>much</em> and <span ")
    assert "<msub><mi>h</mi><mi>t</mi></msub>" in made and made.endswith(";</span> 2 * 3 * 4")
    assert plain("a < b, `x & y`, *much* and $h_t$") == "a < b, x & y, much and h_t"


def test_a_formula_carries_its_source_for_those_who_hear_it():
    made = math(r'a < b_{"}', display=True)
    assert 'display="block"' in made and 'alttext="a &lt; b_{&' in made


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.id)
def test_every_formula_of_the_report_is_set_whole(section):
    texts = [line for equation in section.equations for line in equation.tex.splitlines()]
    spoken = [*section.claims.values(), section.question, *(equation.says for equation in section.equations)]
    texts += [tex for text in spoken for tex in re.findall(r"\$([^$]+)\$", text)]
    for tex in texts:
        shown = re.sub(r"<[^>]+>", "", str(math(tex)))
        assert "\\" not in shown and "&" not in re.sub(r"&#?\w+;", "", shown), tex


def test_pictures_tell_their_size(tmp_path):
    from PIL import Image

    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    Image.new("RGB", (12, 8)).save(tmp_path / "a.gif")
    (tmp_path / "a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" width="72pt" height="36pt"/>')
    sizes = [(image.width, image.height) for image in (embed(tmp_path / f"a.{kind}") for kind in ("png", "gif", "svg"))]
    assert sizes == [(30, 20), (12, 8), (96, 48)]
    assert embed(tmp_path / "a.svg").uri.startswith("data:image/svg+xml;base64,")
    (tmp_path / "b.svg").write_text("<svg/>")
    with pytest.raises(ValueError, match=r"b\.svg does not say its size"):
        embed(tmp_path / "b.svg")
    with pytest.raises(ValueError, match=r"a\.txt is no picture for a page: expected one of \.svg, \.png, \.gif"):
        embed(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("value", "said"), [(0, "0"), (0.5, "0.5"), (931.4, "931"), (4.44e-16, "4.4 · 10⁻¹⁶"), (20454.0, "2.0 · 10⁴")]
)
def test_numbers_are_written_for_people(value, said):
    assert power(value) == said


def test_words():
    assert [share(2 / 3), many(1, "seed"), many(3, "seed")] == ["66.7 %", "1 seed", "3 seeds"]
    assert [listed(["a"]), listed(["a", "b", "c"])] == ["a", "a, b and c"]


def test_a_number_stays_with_its_unit():
    assert prose("5 % of 2 · 10⁻³ in 12 MB, 3 ± 1 % in 4 ms at 7 steps") == (
        "5\u00a0% of 2\u00a0·\u00a010⁻³ in 12\u00a0MB, 3\u00a0±\u00a01\u00a0% in 4\u00a0ms at 7 steps"
    )


def test_a_bracket_stays_with_its_formula():
    made = prose("Right ($T = 5$), or $T$ again.")
    assert made.startswith('Right <span class="tied">(<math ') and "</math>),</span> or <math " in made
    assert plain("Right ($T = 5$), or $T$.") == "Right (T = 5), or T."


def test_a_named_function_is_no_operator_between_gaps():
    assert "<mi>softmax</mi>" in math(r"\operatorname{softmax}(p)") and "<mo>&#x0002B;</mo>" in math("a + b")
