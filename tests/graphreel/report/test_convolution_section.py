import pytest

from graphreel.report import convolution_section
from graphreel.report.answer import Table
from graphreel.report.convolution_section import Sizes, megabytes
from graphreel.report.workspace import Trainings, Workspace


@pytest.fixture
def answer(tmp_path, monkeypatch):
    """The section's answer where training is found to take these megabytes above the resting process."""

    def call(full, sampled):
        above = {"full": dict(zip((1000, 4000), full, strict=True))}
        above["sampled"] = dict(zip((1000, 4000), sampled, strict=True))

        def measured(kind, edges):
            return {"resting": 300.0, "above": above[kind][edges], "step": 5.0, "sampling": 1.0}

        monkeypatch.setattr(convolution_section, "measure_apart", measured)
        return convolution_section.run(Sizes((1000, 4000)), Workspace(tmp_path, Trainings(tmp_path), {}))

    return call


def test_growth_is_said_as_a_factor_where_it_was_measured(answer):
    made = answer((10.0, 38.0), (4.0, 5.0))
    assert "4 times the edges take 3.8 times the memory on the whole graph and 1.2 times in sampled" in made.sentence


@pytest.mark.parametrize("sampled", [(0.0, 0.0), (0.0, 30.0), (0.3, 1.4)])
def test_nothing_is_divided_by_what_could_not_be_measured(answer, sampled):
    made = answer((0.0, 38.0), sampled)
    said = megabytes(sampled[-1])
    assert f"4,000 edges take 38 MB on the whole graph and {said} in sampled neighbourhoods" in made.sentence
    assert "times" not in made.sentence
    (table,) = (block for block in made.blocks if isinstance(block, Table))
    assert [row[1] for row in table.rows] == ["under 2 MB", "38 MB"]
