"""Every command keeps its flags and its arguments."""

import json
from pathlib import Path

import flags
import pytest

RECORDED = json.loads((Path(__file__).parent / "commands.json").read_text())


@pytest.fixture(scope="module")
def told():
    return flags.told(list(RECORDED))


@pytest.mark.parametrize("command", RECORDED)
def test_a_command_keeps_its_flags(command, told):
    assert told[command]["code"] == 0
    assert set(RECORDED[command]["flags"]) <= set(told[command]["flags"])
    assert set(RECORDED[command]["arguments"]) <= told[command]["words"]


@pytest.mark.parametrize("command", [command for command in RECORDED if command])
def test_a_command_is_listed_by_the_one_above(command, told):
    above, _, name = command.rpartition(" ")
    assert name in told[above]["words"]
