"""Public names, their parameters and defaults, and the keys of state dicts are those that users know."""

import inspect
import json
from pathlib import Path

import names
import pytest
from rooms import room

RECORDED = json.loads((Path(__file__).parent / "names.json").read_text())


@pytest.mark.parametrize("name", RECORDED["signatures"])
def test_every_name_is_still_public(name):
    assert set(RECORDED["signatures"][name]) <= set(room(name).__all__)


@pytest.mark.parametrize("name", RECORDED["signatures"])
def test_parameters_and_defaults_stand(name):
    today = names.signatures()[name]
    for public, recorded in RECORDED["signatures"][name].items():
        found = today[public]
        positional = recorded.get("positional", [])
        assert found.get("positional", [])[: len(positional)] == positional, f"{name}.{public}: order of parameters"
        for parameter, default in recorded.get("defaults", {}).items():
            assert found["defaults"].get(parameter) == default, f"{name}.{public}: {parameter}"


@pytest.mark.parametrize("name", RECORDED["states"])
def test_state_dict_keeps_its_keys_and_shapes(name):
    found = {key: list(value.shape) for key, value in names.models()[name]().state_dict().items()}
    assert found == RECORDED["states"][name]


def test_every_module_has_a_recorded_state():
    named = {name.split()[0] for name in RECORDED["states"]}
    for name in names.ROOMS:
        for public in RECORDED["signatures"][name]:
            thing = getattr(room(name), public)
            if inspect.isclass(thing) and hasattr(thing, "state_dict"):
                assert public in named
