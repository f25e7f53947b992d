import pytest

from graphreel.report.question import find_questions
from graphreel.report.questions.q3_1 import measure as q3_1
from graphreel.report.workspace import Trainings, Workspace


@pytest.fixture
def findings(tmp_path, monkeypatch):
    """What is said where training is found to take these megabytes above the resting process."""

    def call(full, sampled):
        above = {"full": dict(zip((1000, 4000), full, strict=True))}
        above["sampled"] = dict(zip((1000, 4000), sampled, strict=True))

        def measured(kind, edges):
            return {"resting": 300.0, "above": above[kind][edges], "step": 5.0, "sampling": 1.0}

        monkeypatch.setattr(q3_1, "measure_apart", measured)
        (question,) = (one for one in find_questions() if one.id == "Q3.1")
        sizes = q3_1.Sizes((1000, 4000))
        return question.findings(question.measure(sizes, Workspace(tmp_path, Trainings(tmp_path), {})), "quick")

    return call


def test_growth_is_said_as_a_factor_where_it_was_measured(findings):
    said = findings((10.0, 38.0), (4.0, 5.0)).sentence.plain
    assert "4 times the edges take 3.8 times the memory on the whole graph and 1.2 times in sampled" in said


@pytest.mark.parametrize("sampled", [(0.0, 0.0), (0.0, 30.0), (0.3, 1.4)])
def test_nothing_is_divided_by_what_could_not_be_measured(findings, sampled):
    made = findings((0.0, 38.0), sampled)
    said = "30 MB" if sampled[-1] == 30 else "under 2 MB"
    assert f"4,000 edges take 38 MB on the whole graph and {said} in sampled neighbourhoods" in made.sentence.plain
    assert "times" not in made.sentence.plain
    assert "1,000 under 2 MB" in made.shown.plain and "4,000 38 MB" in made.shown.plain
