"""--config: settings from a file."""

import json

import pytest

from graphreel.cli.config_file import read_config
from graphreel.experiments.clip_settings import ClipSettings
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.series_settings import SeriesSettings

KINDS = {"gnn": GnnSettings}


@pytest.fixture
def write(tmp_path):
    def writes(name, text):
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path / name

    return writes


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.toml", 'model = "gat"\nlearning-rate = 1e-3\nepochs = 3\nresidual = true'),
        ("a.yaml", "model: gat\nlr: 1e-3\nsteps: 3\nresidual: true"),
        ("a.json", '{"model": "gat", "learning_rate": 0.001, "epochs": 3, "residual": true}'),
    ],
)
def test_the_three_forms_say_the_same(write, name, text):
    assert read_config(write(name, text), KINDS) == {
        "model": "gat", "learning_rate": 0.001, "epochs": 3, "residual": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("a.toml", "hiden = 3", r"a.toml holds the unknown setting hiden \(did you mean hidden\?\)"),
        ("a.toml", "hidden = ", "a.toml is not valid TOML"),
        ("a.yaml", "hidden: [", "a.yaml is not valid YAML"),
        ("a.yaml", "!!python/object/apply:os.system ['true']", "a.yaml is not valid YAML: could not determine"),
        ("a.json", "{", "a.json is not valid JSON"),
        ("a.json", '{"hidden": 1, "hidden": 2}', "a name stands in it twice"),
        ("a.json", "[1]", "expects settings by name in .*a.json, got a list"),
        ("a.yaml", "lr: 1\nlearning_rate: 2", "a.yaml sets learning_rate twice"),
        ("a.yaml", "hidden:", "a.yaml: hidden expects a value, got none"),
        ("a.toml", "lr = -1.0", "a.toml: --learning-rate expects a positive number, got -1"),
        ("a.yaml", b"\xff", "a.yaml is not UTF-8 at byte 0"),
        ("a.ini", "", "--config expects a .toml, .yaml or .json, got a.ini"),
        ("a.json", '{"format": "graphreel run 1", "room": "rnn", "kind": "text"}', "of a run of the kind text"),
    ],
)
def test_a_bad_file_is_one_sentence(write, name, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_config(write(name, text), KINDS)


def test_a_deeply_nested_file_is_one_sentence(write):
    for name, text in (("a.json", "[" * 100_000), ("a.yaml", "[" * 20_000), ("a.toml", "a=" + "[" * 100_000)):
        with pytest.raises(ValueError, match=f"{name} is not valid"):
            read_config(write(name, text), KINDS)


def test_typed_options_win(said, tmp_path, write):
    config = write("a.yaml", "data: six-node\nmodel: gat\nepochs: 3\nheads: 4")
    code, _, error = said(
        "gnn", "train", "--config", config, "--epochs", 2, "--out", tmp_path / "run", "--quiet", "--device", "cpu"
    )
    assert (code, error) == (0, "")
    made = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (made["data"], made["model"], made["epochs"], made["heads"], made["hidden"]) == ("six-node", "gat", 2, 4, 16)
    code, _, error = said(
        "gnn", "train", "--config", tmp_path / "run" / "config.json", "--out", tmp_path / "again", "-q"
    )
    assert (code, error) == (0, "")
    again = json.loads((tmp_path / "again" / "config.json").read_text())
    assert again == made


def test_a_bad_value_in_a_file_is_one_sentence(said, tmp_path, write):
    config = write("a.json", '{"data": "six-node", "hidden": "many"}')
    code, _, error = said("gnn", "train", "--config", config, "--out", tmp_path / "run")
    assert (code, error) == (2, f"graphreel: {config}: --hidden expects a whole number, got 'many'\n")
    assert not (tmp_path / "run").exists()
    code, _, error = said("gnn", "train", "--config", tmp_path / "no.toml")
    assert code == 2 and "no.toml: no such file" in error
    code, _, error = said("gnn", "train", "--config", config, "--resume", tmp_path)
    assert code == 2 and "--resume takes its settings from the run folder, got --config as well" in error


def test_a_run_from_before_a_setting_is_repeated_as_it_was(write):
    own = {name: value for name, value in ClipSettings("x.npz").as_dict().items() if name != "bones"}
    config = write("config.json", json.dumps({"format": "graphreel run 1", "room": "combined", "kind": "clips", **own}))
    found = read_config(config, {"clips": ClipSettings, "series": SeriesSettings})
    assert found["bones"] is False and "compared" not in found and "kind" not in found
