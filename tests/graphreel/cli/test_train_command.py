"""Commands made from settings."""

import re
from typing import Any

import pytest
import typer

from graphreel.cli.app import app
from graphreel.cli.settings_page import settings_tables
from graphreel.cli.train_command import defaults_of
from graphreel.experiments.clip_settings import ClipSettings
from graphreel.experiments.kinds import KINDS
from graphreel.experiments.series_settings import SeriesSettings


def command(*path: str) -> Any:
    found: Any = typer.main.get_command(app)
    for name in path:
        found = found.commands[name]
    return found


def test_options_of_clips_and_of_series_stand_apart():
    panels = {one.name: one.rich_help_panel for one in command("combined", "train").params}
    assert panels["bones"] == panels["convolve"] == "Clips only"
    assert panels["lags"] == panels["refit"] == "Series only"
    assert panels["hidden"] == "Model" and panels["learning_rate"] == "Training" and panels["seed"] == "Run"


def test_a_help_names_flags_choices_and_defaults(said):
    code, out, _ = said("combined", "train", "--help")
    words = " ".join(re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯─]", " ", out).split())
    assert code == 0
    assert "--learning-rate,--lr" in words or "--learning-rate, --lr" in words
    for said_of in ("--compare-edges", "--edges-only", "(gcn, gat, gatv2, none)", "by the data"):
        assert said_of in words
    assert "Ends with 0 when all went well, 1 when the training diverged, 2 on bad input" in words


def test_a_default_that_hangs_on_the_data_is_told_in_full():
    assert defaults_of("layers", [ClipSettings, SeriesSettings]) == "2 or 1, by the data"
    assert defaults_of("heads", [ClipSettings, SeriesSettings]) == "4"
    assert defaults_of("adjacency", [SeriesSettings]) is False
    assert defaults_of("lags", [SeriesSettings]) is False


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_the_page_has_every_setting(number):
    settings = list(KINDS.values())[number].settings
    lines = list(settings_tables())[number].splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    assert len({len(row) for row in cells}) == 1
    assert [row[1] for row in cells[2:]] == [f"`{name}`" for name in settings.shown()]


def test_a_typo_of_an_option_names_the_near_one(said):
    code, _, error = said("gnn", "train", "--hiden", 3)
    assert code == 2 and "--hidden" in error and error.count("\n") == 1
