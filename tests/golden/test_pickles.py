"""Models that were pickled whole still load, and give what they gave."""

import json
from pathlib import Path

import pickled
import pytest
from agreement import expect_recorded

RECORDED = json.loads((Path(__file__).parent / "pickles.json").read_text())


@pytest.mark.parametrize("name", RECORDED)
def test_an_old_pickle_gives_what_it_gave(name, tmp_path):
    import graphreel

    if not hasattr(graphreel, "load_pickle"):
        pytest.skip("graphreel has no load_pickle")
    model = graphreel.load_pickle(pickled.PICKLES / name).eval()
    found = pickled.output(name, model, tmp_path)
    expect_recorded({"figures": {"output": found}, "exactly": {}}, RECORDED[name])
