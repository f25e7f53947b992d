"""Trainings by several processes: the same figures as by one, also where some of them are killed."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from every_training import TRAININGS, left_by, write_inputs

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]

TYPED = ["-m", "graphreel", "gnn", "train", "--data", "karate", "--neighbors", "5,5", "--checkpoint-every", "0"]


@pytest.fixture
def place(tmp_path, monkeypatch):
    write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("TORCH_CPP_LOG_LEVEL", "ERROR")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    return tmp_path


def driven(*typed, place="graphreel/experiments/train_in_ranks.py"):
    command = [sys.executable, str(Path(__file__).parents[2] / place), *typed]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_three_ranks_end_as_one_process(place):
    driven("3", *(name for name in TRAININGS if name != "compare"))


def test_two_ranks_end_as_one_process_in_float64(place):
    driven("--double", "2", "task", "text", "sequences", "series", "carried series", "batch norm")


def test_four_ranks_with_a_part_of_a_graph_each_have_the_gradients_of_one_process(place):
    driven("4", place="data/graphs/sample_in_parts.py")


def torchrun(*options, **more):
    command = [sys.executable, "-m", "torch.distributed.run", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


def workers(agent):
    with suppress(OSError):
        return list(map(int, Path(f"/proc/{agent.pid}/task/{agent.pid}/children").read_text().split()))
    return []


def until(there, agent):
    """Wait for what a run of torchrun brings about."""
    for _ in range(6000):
        if there():
            return
        assert agent.poll() is None, agent.communicate()
        time.sleep(0.02)
    raise AssertionError("nothing came of it")


@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.attack)])
def test_a_training_goes_on_after_a_rank_is_killed(place, rounds):
    typed, draw = [*TYPED, "--batch-size", "1", "--epochs", "100"], random.Random(0)
    two = ["--standalone", "--nproc-per-node", "2", "--max-restarts", "3"]
    whole = torchrun(*two, *typed, "--out", "whole")
    out, error = whole.communicate(timeout=300)
    assert whole.returncode == 0, error
    assert out.count("test accuracy") == 1 and "2 processes share every batch" in out
    for number in range(rounds):
        run = place / f"killed-{number}"
        agent = torchrun(*two, *typed, "--out", run)
        until(lambda run=run: (run / "checkpoint.pt").exists(), agent)
        time.sleep(draw.uniform(0, 1))
        chosen = workers(agent)
        with suppress(ProcessLookupError):
            os.kill(draw.choice(chosen), signal.SIGKILL) if chosen else None
        out, error = agent.communicate(timeout=300)
        assert agent.returncode == 0, error
        assert number or out.count("2 processes share every batch") == 2  # it was started again
        assert left_by(run) == left_by(place / "whole"), f"round {number}: a run that was killed differs"
        assert not list(run.glob(".*")), list(run.glob(".*"))


@pytest.mark.attack  # torchrun gives a second machine 60 s to meet the first, which two busy cores do not always keep
@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_a_training_ends_on_the_machine_that_is_left(place):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = ["--nnodes", "1:2", "--nproc-per-node", "1", "--max-restarts", "3", "--rdzv-backend", "c10d"]
    options += [
        "--rdzv-endpoint",
        address,
        "--rdzv-id",
        "7",
        "--rdzv-conf",
        "last_call_timeout=2,keep_alive_interval=1",
    ]
    typed = [*TYPED, "--batch-size", "2", "--epochs", "30", "--dropout", "0", "--input-dropout", "0"]
    typed[typed.index("5,5")] = "-1,-1"
    alone = subprocess.run([sys.executable, *typed[:-4], "--dropout", "0", "--input-dropout", "0", "--out", "alone"])
    assert alone.returncode == 0
    typed[typed.index("--batch-size") + 1] = "1"
    first = torchrun(*options, *typed, "--out", "run")
    time.sleep(1.0)  # so that the first holds the rendezvous
    second = torchrun(*options, *typed, "--out", "run", start_new_session=True)
    until(lambda: (place / "run" / "checkpoint.pt").exists(), first)
    for pid in [*workers(second), second.pid]:
        os.kill(pid, signal.SIGKILL)
    second.communicate()
    out, error = first.communicate(timeout=300)
    assert first.returncode == 0, error
    assert out.count("2 processes share every batch") == 1 and out.count("test accuracy") == 1  # then one alone
    rows = [[row for row in left_by(place / name, 0) if "step" in row] for name in ("alone", "run")]
    assert [row["step"] for row in rows[0]] == [row["step"] for row in rows[1]]
    for one, other in zip(*rows, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=1e-5)


def test_other_commands_run_in_one_process(said, place, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for typed in (("combined", "compare", "--data", "clips.npz"), ("data", "describe", "clips.npz"), ("report",)):
        code, out, error = said(*typed)
        assert (code, out) == (2, "") and error.count("\n") == 1
        assert "torchrun has started 2 (WORLD_SIZE)" in error
    assert not (place / "runs").exists()
    code, _, error = said("gnn", "train", "--data", "six-node", "--device", "cuda:1")
    assert code == 2 and "--device cuda:1 is one for 2 processes" in error
