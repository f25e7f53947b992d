import json
import os

import pytest
import torch

from graphreel.core.atomic_files import write_whole
from graphreel.training.run_folder import FORMAT, RunFolder, free_folder


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder(tmp_path / "run").begin({"room": "gnn", "seed": 3})


def test_config_holds_settings_versions_and_commit(run):
    config = json.loads(run.config_path.read_text())
    assert config["seed"] == 3
    assert {"graphreel", "python", "torch", "torch-geometric"} <= set(config["versions"])
    assert "git_commit" in config


def test_a_run_is_not_replaced_unless_asked(run):
    run.write_metrics({"a": 1})
    with pytest.raises(ValueError, match="already holds a run: continue it with --resume"):
        RunFolder(run.path).begin({"room": "gnn"})
    assert run.metrics() == {"a": 1}
    new = RunFolder(run.path).begin({"room": "rnn"}, overwrite=True)
    assert run.metrics() == {"a": 1} and run.config()["room"] == "gnn" and not new.has_checkpoint
    new.save_checkpoint({"model": {}})
    assert not run.metrics_path.exists() and run.config()["room"] == "rnn" and new.has_checkpoint


def test_a_file_is_not_a_run_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="--out expects a folder, got the file"):
        RunFolder(tmp_path / "file").begin({})


def test_open_refuses_what_is_no_run(tmp_path, run):
    with pytest.raises(FileNotFoundError, match="no such run folder"):
        RunFolder.open(tmp_path / "absent")
    with pytest.raises(ValueError, match=r"is not a run folder: it has no config.json"):
        RunFolder.open(tmp_path)
    with pytest.raises(ValueError, match="holds a run of gnn, but this command expects one of rnn"):
        RunFolder.open(run.path, "rnn")
    run.config_path.write_text('{"format": "x"}')
    with pytest.raises(ValueError, match="does not say 'graphreel run 1'"):
        RunFolder.open(run.path)
    run.config_path.write_text("{")
    with pytest.raises(ValueError, match="is not valid JSON"):
        RunFolder.open(run.path)


def test_a_checkpoint_loads_with_weights_only(run):
    run.save_checkpoint({"model": {"w": torch.ones(2)}})
    content = torch.load(run.checkpoint_path, weights_only=True)
    assert content["format"] == FORMAT
    assert torch.equal(content["model"]["w"], torch.ones(2))


def test_a_checkpoint_cut_short_or_foreign_is_refused(run):
    with pytest.raises(FileNotFoundError, match="no checkpoint in this run folder"):
        run.load_checkpoint()
    run.save_checkpoint({"model": {"w": torch.ones(2000)}})
    whole = run.checkpoint_path.read_bytes()
    run.checkpoint_path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        run.load_checkpoint()
    torch.save({"w": torch.ones(2)}, run.checkpoint_path)
    with pytest.raises(ValueError, match="is not a checkpoint of graphreel"):
        run.load_checkpoint()


class _Hostile:
    def __reduce__(self):
        return (print, ("executed",))


def test_a_checkpoint_with_code_in_it_is_refused_unexecuted(run, capsys):
    torch.save({"format": FORMAT, "x": _Hostile()}, run.checkpoint_path)
    with pytest.raises(ValueError, match="cannot be read as a checkpoint"):
        run.load_checkpoint()
    assert "executed" not in capsys.readouterr().out


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def half(beside):
        beside.write_text("ha")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_whole(path, half)
    assert [p.name for p in tmp_path.iterdir()] == ["file.txt"]
    assert path.read_text() == "old"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_disk_is_said_as_such(run, monkeypatch):
    def full(beside, content):
        with open("/dev/full", "wb") as device:
            device.write(content)

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*run/checkpoint\.pt'"):
        run.save_checkpoint({"model": {"w": torch.ones(10**6)}})
    assert [path.name for path in run.path.iterdir()] == ["config.json"]


def test_history_has_the_union_of_columns(run):
    run.write_history([{"seed": 0, "a": 1}, {"seed": 0, "b": 2}])
    assert run.history_path.read_text() == "seed,a,b\n0,1,\n0,,2\n"


def test_free_folders_count_up_and_are_taken(tmp_path):
    assert [free_folder(tmp_path / "x").name for _ in range(3)] == ["x", "x-2", "x-3"]


def test_a_notebook_shows_figures_and_curves(tmp_path):
    run = RunFolder(tmp_path / "<run>").begin({"room": "gnn", "data": "cora"})
    assert "not finished" in run._repr_html_()
    run.write_metrics({"model": "gat", "test_accuracy": {"mean": 0.5, "std": 0.0}, "baselines": {"majority": 0.25}})
    run.curves_path.write_bytes(b"picture")
    shown = run._repr_html_()
    assert "test accuracy</td><td>0.5 ± 0" in shown and "majority (baseline)</td><td>0.25" in shown
    assert "&lt;run&gt;" in shown and "data:image/png;base64,cGljdHVyZQ==" in shown


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_last_checkpoints_stay_and_make_a_damaged_one_good(run, caplog, keep):
    for step in range(5):
        run.save_checkpoint({"step": step, "model": {"w": torch.ones(999)}}, keep)
    assert [path.name for path in run.checkpoints] == ["checkpoint.pt", "checkpoint-1.pt", "checkpoint-2.pt"][:keep]
    assert [torch.load(path)["step"] for path in run.checkpoints] == [4, 3, 2][:keep]
    for path in run.checkpoints[:-1]:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1  # in the weights: torch.load would not mind
        path.write_bytes(content)
    assert run.load_checkpoint()["step"] == 5 - keep
    assert ("checkpoint.pt cannot be read" in caplog.text) == (keep > 1)
    run.checkpoint_path.unlink()
    assert run.has_checkpoint == (keep > 1)
    run.save_checkpoint({"step": 9}, 1)
    assert [path.name for path in run.checkpoints] == ["checkpoint.pt"]
