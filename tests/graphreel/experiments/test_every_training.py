"""What holds for every kind of training: seeds on their own, interruptions, folders, signals."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import graphreel

sys.path.append(str(Path(__file__).parent))
from every_training import TRAININGS, left_by, settings_of, write_inputs

from graphreel.experiments import resume, start
from graphreel.experiments.experiment import Experiment
from graphreel.training.errors import NotFinite, RunFolderLost
from graphreel.training.run_folder import RunFolder
from graphreel.training.task import Task

REST = sorted(set(TRAININGS) - {"nodes", "compare"})

pytestmark = pytest.mark.slow


@pytest.fixture
def place(tmp_path, monkeypatch):
    write_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", TRAININGS)
def test_a_seed_does_not_depend_on_those_before_it(place, name):
    start(settings_of(name, seeds=3), place / "together", quiet=True)
    for seed in (0, 1, 2):
        start(settings_of(name, seed=seed), place / f"alone{seed}", quiet=True)
        assert left_by(place / "together", seed) == left_by(place / f"alone{seed}", seed) != []


def killed_and_resumed(rounds: int, names: list[str], place: Path) -> None:
    """Kill trainings with SIGKILL at random moments, in a process of their own, and compare what they end with."""
    driver = Path(__file__).with_name("kill_trainings.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(driver), str(rounds), *names]
    ended = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, timeout=1700)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_trainings_that_are_killed_end_like_those_that_are_not(place):
    killed_and_resumed(1, list(TRAININGS), place)


@pytest.mark.attack
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("name", TRAININGS)
def test_trainings_killed_at_many_moments_end_like_those_that_are_not(place, name):
    killed_and_resumed(20, [name], place)


def stopped_by(monkeypatch, number, after=3):
    """Send this process a signal in a training's third step."""
    steps = iter(range(10**6))
    monkeypatch.setattr(Experiment, "on_step", lambda *_: next(steps) == after and os.kill(os.getpid(), number))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_leaves_a_checkpoint_and_is_one_sentence(place, said, monkeypatch, number, code):
    typed = ["gnn", "train", "--data", "six-node", "--epochs", 40, "--hidden", 8]
    assert said(*typed, "--out", "whole", "-q")[0] == 0
    with monkeypatch.context() as patch:
        stopped_by(patch, number)
        found, out, error = said(*typed, "--out", "run", "-q")
    assert (found, out) == (code, "") and error.count("\n") == 1 and "--resume RUN" in error
    assert RunFolder(place / "run").load_checkpoint()["current"]["step"] == 4
    assert signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)
    resume(place / "run", quiet=True)
    assert left_by(place / "run") == left_by(place / "whole")


def test_a_signal_that_the_caller_ignores_stays_ignored(place, monkeypatch):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stopped_by(monkeypatch, signal.SIGHUP)
        start(settings_of("nodes"), place / "run", quiet=True)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_two_trainings_do_not_write_into_one_folder(place, said):
    with RunFolder(place / "run").locked():
        code, _, error = said("gnn", "train", "--data", "six-node", "--out", "run")
        assert code == 2 and "run is in use by another training" in error and error.count("\n") == 1
    assert said("gnn", "train", "--data", "six-node", "--epochs", 3, "--out", "run", "-q")[0] == 0
    assert not (place / "run" / ".lock").exists()


def test_what_a_killed_training_left_half_written_is_cleared(place):
    run = start(settings_of("nodes"), place / "run", quiet=True)
    for name in (".checkpoint.4711.pt", ".metrics.4711.json", ".mine.4711.pt"):
        (run.path / name).write_text("half")
    resume(run.path, quiet=True)
    assert sorted(path.name for path in run.path.glob(".*")) == [".mine.4711.pt"]


@pytest.mark.parametrize("name", ["nodes", "compare"])
def test_an_old_run_stays_until_the_new_one_has_a_checkpoint(place, monkeypatch, name):
    start(settings_of(name), place / "run", quiet=True)
    before = {path: path.read_bytes() for path in (place / "run").rglob("*") if path.is_file()}

    def broken(*_):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("graphreel.training.loop.train_step", broken)
        with pytest.raises(MemoryError):
            start(settings_of(name, seed=5), place / "run", overwrite=True, quiet=True)
    assert {path: path.read_bytes() for path in (place / "run").rglob("*") if path.is_file()} == before
    start(settings_of(name, seed=5), place / "run", overwrite=True, quiet=True)
    start(settings_of(name, seed=5), place / "fresh", quiet=True)
    assert left_by(place / "run") == left_by(place / "fresh")
    files = [sorted(p.relative_to(place / f) for p in (place / f).rglob("*")) for f in ("run", "fresh")]
    assert files[0] == files[1]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["metrics.json", "history.csv", "checkpoint.pt", "curves.png", "config.json"])
def test_files_that_no_run_left_are_not_overwritten(place, said, name, overwrite):
    (place / "mine").mkdir()
    (place / "mine" / name).write_text("{}")
    code, _, error = said("gnn", "train", "--data", "six-node", "--out", "mine", *["--overwrite"] * overwrite)
    assert code == 2 and f"mine holds {name}, which no run left there" in error
    assert {path.name: path.read_text() for path in (place / "mine").iterdir()} == {name: "{}"}


@pytest.mark.parametrize("name", ["nodes", "text", "series", "compare"])
def test_a_folder_that_is_deleted_ends_the_training(place, monkeypatch, name):
    seen = []

    def check(run):
        seen.append(run)
        if len(seen) == 3:
            for path in sorted((place / "run").rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            (place / "run").rmdir()
        return checked(run)

    checked = RunFolder.check
    monkeypatch.setattr(RunFolder, "check", check)
    with pytest.raises(RunFolderLost, match="was deleted or moved while a training wrote to it"):
        start(settings_of(name), place / "run", quiet=True)
    assert not (place / "run").exists()


def test_a_deleted_folder_is_one_sentence(said, monkeypatch):
    def lost(*_, **__):
        raise RunFolderLost("run was deleted or moved while a training wrote to it")

    monkeypatch.setattr("graphreel.cli.train_command.start", lost)
    code, _, error = said("gnn", "train", "--data", "six-node")
    assert (code, error) == (1, "graphreel: run was deleted or moved while a training wrote to it\n")


@pytest.mark.parametrize("name", ["nodes", "text", "series", "compare"])
def test_the_last_good_checkpoint_survives_divergence(place, monkeypatch, name):
    steps = iter(range(10**6))
    own = Task.__init__

    def poisoned(self, model, optimizer, batch, loss, *rest, **more):
        own(self, model, optimizer, batch, lambda b: loss(b) * (float("nan") if next(steps) == 2 else 1), *rest, **more)

    monkeypatch.setattr(Task, "__init__", poisoned)
    with pytest.raises(NotFinite, match="became nan at step 3 of seed 0"):
        start(settings_of(name), place / "run", quiet=True)
    (path, *_) = (place / "run").rglob("checkpoint.pt")
    saved = torch.load(path, weights_only=True)["current"]
    assert saved["step"] <= 2 and all(value.isfinite().all() for value in saved["model"].values())


@pytest.mark.parametrize(
    "name", ["nodes", "text", "compare", *(pytest.param(n, marks=pytest.mark.attack) for n in REST)]
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_disk_that_is_full_at_any_write_leaves_whole_files(place, monkeypatch, name, overwrite):
    """The n-th file is cut in half and refused, for every n; then there is room, and the training goes on."""
    start(settings_of(name, checkpoint_every=0.0), place / "whole", quiet=True)
    if overwrite:
        start(settings_of(name, seed=7), place / "run", quiet=True)
    sync, writes, full = os.fsync, 0, True
    while full:
        left, full = writes, False

        def short(file):
            nonlocal left, full
            left -= 1
            if left < 0:
                full = True
                os.ftruncate(file, os.fstat(file).st_size // 2)
                raise OSError(errno.ENOSPC, "No space left on device")
            sync(file)

        before = {path: path.read_bytes() for path in (place / "run").rglob("*.*") if path.is_file()}
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", short)
            try:
                if RunFolder(place / "run").is_run and not (overwrite and writes <= 2):
                    resume(place / "run", quiet=True)
                else:
                    start(settings_of(name, checkpoint_every=0.0), place / "run", overwrite, quiet=True)
            except OSError as error:
                assert error.filename and error.errno == errno.ENOSPC
        if overwrite and writes < 2:  # the old run stays until the new one's config and checkpoint are there
            assert all(path.read_bytes() == content for path, content in before.items())
        assert not list((place / "run").rglob(".*.*"))
        for path in (place / "run").rglob("checkpoint.pt"):
            torch.load(path, weights_only=True)
        for path in (place / "run").rglob("*.json"):
            json.loads(path.read_text())
        writes += 1
    assert writes > 4 and left_by(place / "run") == left_by(place / "whole")


def test_a_step_that_overflows_the_optimiser_is_one_sentence(place, said):
    typed = ["gnn", "train", "--data", "six-node", "--lr", "1e38", "--out", "run", "-q"]
    code, _, error = said(*typed)
    assert code in (1, 2) and error.count("\n") == 1 and "Traceback" not in error


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("finished", 3), ("finished", [3]), ("history", {"a": 1}), ("history", [{}]), ("best_run", 1), ("current", "x"),
        ("current", {}), ("current", {"step": "many"}), ("best_run", {}), ("model", 7), ("model", {"a": 1}),
        ("num_features", "many"), ("num_classes", None), ("pool", 3),
    ],
)  # fmt: skip
def test_wrong_entries_of_a_checkpoint_are_one_sentence(place, said, entry, value):
    with pytest.MonkeyPatch.context() as patch:
        stopped_by(patch, signal.SIGINT)
        typed = ["--data", "six-node", "--model", "gat", "--seeds", 2, "--out", "run", "-q"]
        assert said("gnn", "train", *typed)[0] == 130
    run = RunFolder(place / "run")
    run.save_checkpoint({**run.load_checkpoint(), entry: value})
    for command in (["train", "--resume", "run", "-q"], ["attention", "run"]):
        code, _, error = said("gnn", *command)
        assert code == 0 or (code == 2 and error.count("\n") == 1 and "run" in error), error


def test_a_training_that_never_beats_the_trivial_model_says_so(place, said):
    code, out, _ = said("gnn", "train", "--data", "six-node", "--epochs", 2, "--lr", "1e-9", "--out", "run")
    assert code == 0 and "warning: seed 0: val_accuracy never beat 0.5, which takes no model" in out
    assert json.loads((place / "run" / "metrics.json").read_text())["warnings"]
    code, out, _ = said("gnn", "train", "--data", "six-node", "--out", "good")
    assert code == 0 and "warning" not in out
    assert json.loads((place / "good" / "metrics.json").read_text())["warnings"] == []


@pytest.mark.parametrize("name", ["text", "nodes"])
def test_a_finished_run_of_the_first_versions_is_shown_again(place, said, name):
    """Their rows lack the number of parameters; metrics.json may be gone."""
    run = start(settings_of(name), place / "run", quiet=True)
    saved, metrics = run.load_checkpoint(), run.metrics()
    for row in saved["finished"]:
        del row["parameters"]
    run.save_checkpoint(saved)
    run.metrics_path.unlink()
    code, out, error = said(run.config()["room"], "train", "--resume", run.path)
    assert (code, error) == (0, "") and f"{metrics['parameters']:,} parameters" in out
    assert run.metrics()["parameters"] == metrics["parameters"]


@pytest.mark.parametrize("name", TRAININGS)
def test_a_trained_model_of_every_kind_is_read_back(place, name):
    run = start(settings_of(name), place / "run", quiet=True)
    trained = graphreel.load_run(run.path)
    saved = trained.folder.load_checkpoint()["model"]
    assert not trained.model.training and set(trained.model.state_dict()) == set(saved)
    assert all(torch.equal(value, saved[key]) for key, value in trained.model.state_dict().items())
    assert trained.settings == type(trained.settings).from_dict(trained.folder.config())
