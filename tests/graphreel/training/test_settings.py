"""A setting is one line: what derives from it."""

from dataclasses import dataclass, fields, replace

import pytest

from graphreel.data.registry import NAMES
from graphreel.experiments.clip_settings import ClipSettings, CompareSettings
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.sequence_settings import SequenceSettings
from graphreel.experiments.series_settings import SeriesSettings
from graphreel.experiments.task_settings import TaskSettings
from graphreel.experiments.text_settings import TextSettings
from graphreel.training.option import at_least, at_most, one_of, option, positive, share
from graphreel.training.presets import PRESETS
from graphreel.training.settings import Settings

ALL = (GnnSettings, TaskSettings, SequenceSettings, TextSettings, ClipSettings, CompareSettings, SeriesSettings)


@dataclass(frozen=True)
class Toy(Settings):
    ROOM = "gnn"
    CALLED = "toys"

    rate: float = option(0.5, "A rate.", check=positive, names="--r")
    part: float = option(0.0, "A share.", check=share)
    count: int = option(1, "A count.", check=(at_least(1), at_most(9)), before=7)
    word: str = option("a", "A word", check=one_of("a", "b"))
    on: bool = option(True, "A switch.", off="--never")
    bias: float | None = option(None, "A bias.")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rate": 0}, "--rate expects a positive number, got 0.0"),
        ({"rate": float("inf")}, "--rate expects a positive number, got inf"),
        ({"rate": float("nan")}, "--rate expects a positive number, got nan"),
        ({"rate": 10**400}, "--rate expects a number, got 1000"),
        ({"rate": True}, "--rate expects a number, got True"),
        ({"part": 1}, "--part expects a share from 0 to below 1, got 1.0"),
        ({"count": 0}, "--count expects at least 1, got 0"),
        ({"count": 10}, "--count expects at most 9, got 10"),
        ({"count": 2.0}, "--count expects a whole number, got 2.0"),
        ({"count": None}, "--count expects a whole number, got None"),
        ({"word": "c"}, "--word expects one of a, b, got 'c'"),
        ({"on": 1}, "--on expects true or false, got 1"),
        ({"bias": float("nan")}, "--bias expects a finite number, got nan"),
        ({"seed": 2**31}, "--seed expects at most 2,147,483,647, got 2147483648"),
        ({"seeds": 10**9}, "--seeds expects at most 10,000, got 1000000000"),
        ({"device": "tpu"}, "--device expects auto, cpu, cuda, cuda:N or mps, got 'tpu'"),
    ],
)
def test_a_value_out_of_its_range_is_one_sentence(values, sentence):
    with pytest.raises(ValueError) as caught:
        Toy("x", **values)
    assert str(caught.value).startswith(sentence)


def test_a_whole_number_is_taken_where_a_number_is_expected():
    assert Toy("x", rate=2).rate == 2.0 and isinstance(Toy("x", rate=2).rate, float)
    assert Toy("x").bias is None and Toy("x", bias=1).bias == 1.0


def test_seeds_follow_the_first():
    assert Toy("x", seed=3, seeds=2).every_seed == [3, 4]


def test_flags():
    flags = {name: one.flags for name, one in Toy.options().items()}
    assert flags["rate"] == ["--rate", "--r"] and flags["on"] == ["--on/--never"]
    assert ClipSettings.options()["residual"].flags == ["--residual/--no-residual"]


@pytest.mark.parametrize("settings", ALL)
def test_settings_come_back_from_a_config(settings):
    own = settings("x")
    beside = {"format": "graphreel run 1", "room": settings.ROOM, "kind": "k", "versions": {}, "git_commit": None}
    assert settings.from_dict({**beside, **own.as_dict()}) == own


@pytest.mark.parametrize("settings", ALL)
def test_presets_hold_to_the_checks(settings):
    for preset in settings.PRESETS.values():
        assert preset.keys() <= settings.options().keys()
        if settings is not SeriesSettings:
            settings("x", **preset)


def test_what_an_older_run_lacks_is_as_it_was():
    config = Toy("x").as_dict()
    assert Toy.from_dict({k: v for k, v in config.items() if k != "count"}) == replace(Toy("x"), count=7)
    with pytest.raises(ValueError, match=r"config.json lacks the settings rate, word"):
        Toy.from_dict({k: v for k, v in config.items() if k not in ("rate", "word")})
    with pytest.raises(ValueError, match=r"config.json holds the unknown setting wrd \(did you mean word\?\)"):
        Toy.from_dict({**config, "wrd": "a"})
    with pytest.raises(ValueError, match=r"config.json: --word expects a text, got 3"):
        Toy.from_dict({**config, "word": 3})


def test_clips_from_before_bones_are_read_without():
    later = ("bones", "gestures", "mirror", "drop_features", "frames", "keep", "convolve", "residual", "standardize")
    preset = ClipSettings.resolve("x.npz", {}, "keypoints").as_dict()
    old = ClipSettings.from_dict({name: value for name, value in preset.items() if name not in later})
    assert (old.bones, old.gestures, old.mirror, old.frames, old.keep, old.convolve) == (
        False, False, False, 0, "best", 0,
    )  # fmt: skip
    assert old.distances and old.hidden == 32


def test_a_foreign_setting_is_refused():
    with pytest.raises(ValueError, match="--window is not an option for the task palindrome"):
        TaskSettings.resolve("palindrome", {"window": 3})
    with pytest.raises(ValueError, match="--lags expects a number above 0, got 0"):
        SeriesSettings.resolve("x.csv", {"lags": 0}, "series")


@pytest.mark.parametrize(
    ("settings", "data", "kind"),
    [
        (TaskSettings, "palindrome", "task"), (TextSettings, "x.txt", "text"), (SequenceSettings, "x.csv", "sequences"),
        (GnnSettings, "six-node", "small graph"), (GnnSettings, "mutag", "graphs"), (ClipSettings, "x", "videos"),
        (CompareSettings, "x.npz", "keypoints"), (SeriesSettings, "x.csv", "series"),
    ],
)  # fmt: skip
def test_absurd_numbers_are_one_sentence(settings, data, kind):
    """However many steps, units, seeds: what no machine and no lifetime has room for is refused before it starts."""
    for field in fields(settings):
        if field.type in ("int", int):
            with pytest.raises(ValueError, match=r"expects .*, got 1000000000000|is an option for videos"):
                settings.resolve(data, {field.name: 10**12}, kind)


def test_every_preset_holds_for_what_it_is_of(tmp_path):
    kinds = {kind: settings for settings in ALL for kind in settings.KINDS if settings is not CompareSettings}
    for one in PRESETS:
        for on in one.on:
            kind = on if on in kinds else NAMES[on].kind if on in NAMES else "series"
            path = tmp_path / f"{on}.json"
            path.write_text("{}")
            data = on if on in NAMES else str(path)
            typed = {"preset": one.name} | ({"model": one.model[0]} if one.model else {})
            made = kinds[kind].resolve(data, typed, kind)
            assert made.preset == one.name
            assert {name: getattr(made, name) for name in one.values} == dict(one.values)


def test_typed_options_come_before_the_preset_and_that_before_the_data():
    made = GnnSettings.resolve("cora", {"preset": "paper", "hidden": 7})
    assert (made.hidden, made.learning_rate, made.patience) == (7, 0.01, 10)
    assert GnnSettings.resolve("cora", {"preset": "best"}).draws == 4  # of the recipe that it names
    assert GnnSettings.resolve("pubmed", {"preset": "paper", "model": "gat"}).output_heads == 8
    with pytest.raises(ValueError, match="--preset expects best or fast for digits, got paper"):
        ClipSettings.resolve("digits", {"preset": "paper"})
