import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from graphreel.cli.options import _runs_here


@pytest.fixture
def six_node_run(tmp_path, said):
    code, _, error = said("gnn", "train", "--data", "six-node", "--model", "gat", "--out", tmp_path / "run", "--quiet")
    assert (code, error) == (0, "")
    return tmp_path / "run"


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["gnn", "--help"], ["gnn", "train", "--help"], ["gnn", "train", "--x"]]
    + [[room, "train", "--data", "x", "--device", "tpu"] for room in ("gnn", "rnn", "combined")],
)
def test_help_and_wrong_arguments_import_neither_torch_nor_pyg(arguments):
    code = (
        "import sys\nfrom graphreel.__main__ import run\n"
        f"run({arguments})\nassert not {{'torch', 'torch_geometric', 'numpy', 'matplotlib'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("number", "module"), [(signal.SIGINT, "typer"), (signal.SIGINT, "numpy"), (signal.SIGTERM, "torch_geometric.nn")]
)
def test_a_signal_while_something_is_imported_is_one_line(tmp_path, number, module):
    """Without more: numpy and torch catch what is raised while they are imported, and are broken afterwards."""
    program = (
        "import os, sys\n"
        "class Press:\n"
        f"    def find_spec(name, *_):\n        if name == {module!r}: os.kill(os.getpid(), {int(number)})\n"
        "sys.meta_path.insert(0, Press)\n"
        "from graphreel.__main__ import main\n"
        "sys.argv[1:] = ['gnn', 'train', '--data', 'six-node', '-q']\nmain()"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == 128 + number and ended.stderr.count("\n") == 1, ended.stderr
    assert ended.stderr.startswith("graphreel: ") and "a training goes on with --resume RUN" in ended.stderr
    assert not list(tmp_path.rglob("*.pt"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["gnn", "train"], "expects --data NAME or PATH"),
        (["gnn", "train", "--data", "corra"], "unknown data set 'corra': expected one of six-node"),
        (["gnn", "train", "--data", "no/such.csv"], "there is no file or folder no/such.csv"),
        (["gnn", "train", "--data", "palindrome"], "palindrome is data for `graphreel rnn train`"),
        (["gnn", "train", "--data", "six-node", "--model", "cgn"], "--model expects one of gcn, gat, gatv2, got 'cgn'"),
        (
            ["gnn", "train", "--data", "six-node", "--dropout", "1"],
            "--dropout expects a share from 0 to below 1, got 1",
        ),
        (["gnn", "train", "--data", "six-node", "--epochs", "0"], "--epochs expects at least 1, got 0"),
        (["gnn", "train", "--data", "six-node", "--lr", "-1"], "--learning-rate expects a positive number, got -1"),
        (["gnn", "train", "--data", "six-node", "--neighbors", "5,x"], "--neighbors expects numbers such as 15,10"),
        (["gnn", "train", "--data", "six-node", "--neighbors", "5"], r"--neighbors expects one number per layer (2)"),
        (["gnn", "train", "--data", "six-node", "--model", "gat", "--hidden", "9"], "a multiple of the 2 heads, got 9"),
        (
            ["gnn", "train", "--data", "six-node", "--device", "tpu"],
            "--device expects auto, cpu, cuda, cuda:N or mps, got 'tpu'",
        ),
        (["gnn", "train", "--resume", "nowhere"], "nowhere: no such run folder"),
        (["gnn", "train", "--resume", "x", "--lr", "1"], "takes its settings from the run folder, got --learning-rate"),
        (["gnn", "train", "--seeds", "many"], "Invalid value for '--seeds'"),
        (["gnn", "updates", "C", "Z"], "Z"),
        (["gnn", "attention", "nowhere"], "nowhere: no such run folder"),
        (["runs", "nowhere"], "nowhere: no such folder"),
        (["gnn", "paint"], "No such command 'paint'"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(said, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    code, out, error = said(*arguments)
    assert code == 2
    assert out == ""
    assert error.startswith("graphreel: ")
    assert error.count("\n") == 1
    assert sentence in error
    assert list(tmp_path.iterdir()) == []


def test_updates_from_c_to_e(said):
    assert said("gnn", "updates", "--data", "six-node", "C", "E") == (0, "4\n", "")


def test_train_leaves_a_whole_run_folder(said, tmp_path):
    code, out, _ = said("gnn", "train", "--data", "six-node", "--model", "gcn", "--seeds", 2, "--out", tmp_path / "run")
    assert code == 0
    assert "test accuracy" in out
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "config.json", "metrics.json", "history.csv", "curves.png", "checkpoint.pt",
    }  # fmt: skip
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["data"] == "six-node"
    assert metrics["model"] == "gcn"
    assert metrics["test_accuracy"] == {"mean": 1.0, "std": 0.0}
    assert metrics["baselines"]["majority"] == 0.5
    assert [row["seed"] for row in metrics["seeds"]] == [0, 1]
    assert {"steps", "seconds", "test_accuracy"} <= set(metrics["seeds"][0])
    checkpoint = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert metrics["parameters"] == sum(value.numel() for value in checkpoint["model"].values())
    assert checkpoint["config"]["data"] == "six-node"
    rows = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert rows[0].startswith("seed,step,train_loss,val_loss,val_accuracy")
    assert len(rows) == 1 + sum(row["steps"] for row in metrics["seeds"])


def test_sampled_neighbourhoods_train_as_well(said, tmp_path):
    sampled = ("--neighbors", "4,4", "--batch-size", 3)
    code, _, error = said("gnn", "train", "--data", "karate", *sampled, "--out", tmp_path / "run", "--quiet")
    assert (code, error) == (0, "")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["test_accuracy"]["mean"] > 0.75 > metrics["baselines"]["majority"]
    assert metrics["seeds"][0]["steps"] == 200 * 3  # three batches cover the eight training nodes


@pytest.mark.parametrize("model", ["gcn", "gat"])
def test_a_generated_graph_is_trained_on(said, tmp_path, model):
    sampled = ("--neighbors", "4,4", "--batch-size", 256, "--epochs", 2)
    run = tmp_path / "run"
    code, _, error = said("gnn", "train", "--data", "random-graph", "--model", model, *sampled, "--out", run, "--quiet")
    assert (code, error) == (0, "")
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["seeds"][0]["steps"] == 2 * 4  # a tenth of 10,000 nodes in batches of 256
    assert metrics["baselines"]["logistic_regression"] > 2 * metrics["baselines"]["majority"]  # there are features


def test_a_set_of_graphs_is_cross_validated(said, tmp_path):
    """Rings of four nodes against paths of four: told apart by structure alone."""
    ring, path = "4 1\n0 2 1 3\n0 2 0 2\n0 2 1 3\n0 2 0 2\n", "4 0\n0 1 1\n0 2 0 2\n0 2 1 3\n0 1 2\n"
    (tmp_path / "rings.txt").write_text("40\n" + 20 * (ring + path))
    code, _, error = said("gnn", "train", "--data", tmp_path / "rings.txt", "--out", tmp_path / "run", "--quiet")
    assert (code, error) == (0, "")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert [row["fold"] for row in metrics["seeds"]] == list(range(10))
    assert metrics["test_accuracy"]["mean"] > 0.75
    assert metrics["baselines"]["majority"] == 0.5


def test_a_finished_run_is_shown_again_on_resume(said, six_node_run):
    before = json.loads((six_node_run / "metrics.json").read_text())
    code, out, _ = said("gnn", "train", "--resume", six_node_run)
    assert code == 0
    assert "test accuracy" in out
    assert json.loads((six_node_run / "metrics.json").read_text()) == before


def test_a_run_is_not_overwritten_by_accident(said, six_node_run):
    before = (six_node_run / "checkpoint.pt").read_bytes()
    code, _, error = said("gnn", "train", "--data", "six-node", "--out", six_node_run)
    assert code == 2
    assert "already holds a run" in error
    assert (six_node_run / "checkpoint.pt").read_bytes() == before


def test_attention_writes_the_picture_and_its_numbers(said, six_node_run, tmp_path):
    code, out, error = said("gnn", "attention", six_node_run, "--node", "D", "--out", tmp_path / "d.png")
    assert (code, error) == (0, "")
    assert (tmp_path / "d.png").read_bytes()[:4] == b"\x89PNG"
    assert str(tmp_path / "d.json") in out


def test_attention_refuses_a_gcn_and_an_unknown_node(said, six_node_run, tmp_path):
    said("gnn", "train", "--data", "six-node", "--model", "gcn", "--out", tmp_path / "gcn", "--quiet")
    code, _, error = said("gnn", "attention", tmp_path / "gcn")
    assert code == 2
    assert "holds a gcn, which has no attention" in error
    code, _, error = said("gnn", "attention", six_node_run, "--node", "Z", "--out", tmp_path / "z.png")
    assert code == 2
    assert "Z" in error
    assert not (tmp_path / "z.png").exists()


def test_runs_can_be_told_apart(said, six_node_run):
    typed = ("--data", "six-node", "--model", "gat", "--hidden", 8, "--epochs", 3)
    said("gnn", "train", *typed, "--out", six_node_run.parent / "small", "--quiet")
    (six_node_run.parent / "small" / "metrics.json").unlink()
    code, out, _ = said("runs", six_node_run.parent)
    assert code == 0
    rows = {line.split()[0]: line for line in out.splitlines() if "six-node" in line}
    assert rows.keys() == {"run", "small"}
    assert "hidden 16, epochs 200" in " ".join(rows["run"].split())
    assert "test accuracy 100.0 ± 0.0 %" in rows["run"] and "majority 50.0 %" in rows["run"]
    assert "hidden 8, epochs 3" in " ".join(rows["small"].split()) and "not finished" in rows["small"]


def test_a_missing_run_names_the_near_one(said, six_node_run):
    code, _, error = said("gnn", "attention", six_node_run.parent / "rum")
    assert code == 2 and error.endswith("rum: no such run folder (did you mean run?)\n")


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")]
)
def test_too_little_memory_is_one_sentence(said, tmp_path, monkeypatch, error):
    def full(*_, **__):
        raise error

    monkeypatch.setattr("graphreel.cli.train_command.start", full)
    code, _, answer = said("gnn", "train", "--data", "six-node", "--out", tmp_path / "run")
    assert (code, answer) == (2, "graphreel: out of memory: take a smaller --batch-size, --hidden or --length\n")


def test_predict_on_a_folder_says_so(said, tmp_path):
    run = Path(__file__).parents[2] / "golden" / "runs" / "series-csv"
    code, _, error = said("combined", "predict", run, tmp_path)
    assert code == 2 and f"expects a video, a keypoint .npz or a series, got the folder {tmp_path}" in error


def test_data_of_another_room_names_what_is_taken(said, tmp_path):
    (tmp_path / "sample.csv").write_text("a,b\n1,2\n")
    code, _, error = said("gnn", "train", "--data", tmp_path / "sample.csv")
    assert code == 2 and "sample.csv is data for `graphreel combined train`, not for `graphreel gnn`" in error
    assert "which takes six-node, karate" in error and "a folder with Planetoid's raw files ind.NAME.*" in error


def test_verbose_shows_where_an_error_arose(tmp_path):
    script = [sys.executable, "-m", "graphreel"]
    command = ["gnn", "train", "--data", "corra"]
    for verbose in ([], ["--verbose"]):
        ended = subprocess.run([*script, *verbose, *command], capture_output=True, text=True, cwd=tmp_path)
        assert ended.returncode == 2 and ended.stderr.splitlines()[-1].startswith("graphreel: unknown data set 'corra'")
        assert ("data/registry.py" in ended.stderr) == bool(verbose)


def test_doctor_says_what_is_there_and_what_is_missing(said, monkeypatch):
    code, out, error = said("doctor")
    assert (code, error) == (0, "")
    for word in ("graphreel", "torch-geometric", "threads", "data folder", "[video]"):
        assert word in out
    monkeypatch.setattr(
        "graphreel.cli.doctor._packages", lambda: (["torch", "no-such-package"], {"track": ["nothing"]})
    )
    code, out, error = said("doctor")
    assert (code, error) == (2, "graphreel: missing no-such-package: pip install no-such-package\n")
    assert "missing nothing: pip install 'graphreel[track]'" in out


def test_completion_knows_choices_and_runs(six_node_run, monkeypatch):
    monkeypatch.chdir(six_node_run.parent)
    script = [sys.executable, "-m", "graphreel"]
    wanted = {"COMP_WORDS": "graphreel gnn train --model g", "COMP_CWORD": "4", "_GRAPHREEL_COMPLETE": "complete_bash"}
    said = subprocess.run(script, env={**os.environ, **wanted}, capture_output=True, text=True)
    assert said.stdout.split() == ["gcn", "gat", "gatv2"]
    assert _runs_here("./") == ["./run"] and _runs_here("r") == ["run"]


def test_an_interrupted_training_says_how_it_goes_on(said, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("graphreel.cli.train_command.start", interrupted)
    code, out, error = said("gnn", "train", "--data", "six-node", "--out", tmp_path / "run")
    assert (code, out) == (130, "")
    assert error == "graphreel: interrupted; a training goes on with --resume RUN, a report with the same command\n"


def test_a_full_disk_is_one_sentence(said, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", str(tmp_path / "run" / "checkpoint.pt"))

    monkeypatch.setattr("graphreel.training.run_folder.RunFolder.save_checkpoint", full)
    code, _, error = said("gnn", "train", "--data", "six-node", "--out", tmp_path / "run")
    assert code == 2
    assert error.strip().endswith("checkpoint.pt: No space left on device")
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"config.json"}
