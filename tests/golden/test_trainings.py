"""A training leaves the files, the keys and the figures that it left when they were recorded."""

import json
from pathlib import Path

import pytest
from agreement import expect_recorded
from folders import lacking
from trainings import train

RECORDED = json.loads((Path(__file__).parent / "trainings.json").read_text())
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(RECORDED, tmp_path_factory.mktemp("trainings"))


@pytest.mark.parametrize("name", RECORDED)
def test_a_run_folder_has_its_keys(name, trained):
    assert lacking(trained[name]["keys"], RECORDED[name]["keys"]) == []


@pytest.mark.parametrize("name", RECORDED)
def test_a_training_gives_its_figures(name, trained):
    expect_recorded(trained[name], RECORDED[name])
