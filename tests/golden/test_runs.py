"""Run folders made before still load, go on to their end, and answer as they did."""

import json
from pathlib import Path

import pytest
from agreement import expect_recorded
from folders import lacking
from old_runs import go_on
from running import expect_success, play

RECORDED = json.loads((Path(__file__).parent / "runs.json").read_text())
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("old")


@pytest.fixture(scope="module")
def resumed(place):
    return go_on(list(RECORDED), place)


@pytest.mark.parametrize("name", RECORDED)
def test_an_old_run_has_its_keys(name, resumed):
    assert lacking(resumed[name]["keys"], RECORDED[name]["keys"]) == []


@pytest.mark.parametrize("name", RECORDED)
def test_an_old_run_goes_on_and_answers(name, resumed):
    expect_recorded(resumed[name], RECORDED[name])


def test_old_runs_are_listed(resumed, place):
    command = ["runs", str(place / "after")]
    answer = play([command], place)[0]
    expect_success(command, answer)
    for data in ("six-node", "alkanes", "palindrome", "clips.npz"):
        assert data in answer["out"]
