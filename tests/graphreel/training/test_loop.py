import math
import threading
import weakref

import pytest
import torch
from torch import nn

from graphreel.training.checkpoints import Plan
from graphreel.training.errors import NotFinite
from graphreel.training.loop import train
from graphreel.training.optimizers import average_of
from graphreel.training.progress import Progress
from graphreel.training.run_folder import RunFolder
from graphreel.training.task import Task


class Killed(Exception):
    pass


def _task(seed: int, die_at: int | None = None, poison_at: int | None = None, decay: float | None = None) -> Task:
    """A regression with dropout, momentum, a schedule, and batches that depend on the step."""
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1))
    averaged = None if decay is None else average_of(model, decay)
    result = model if averaged is None else averaged.module
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    held_out = torch.randn(32, 3, generator=torch.Generator().manual_seed(99))

    def batch(step: int) -> torch.Tensor:
        if step == die_at:
            raise Killed
        return torch.randn(16, 3, generator=torch.Generator().manual_seed(1000 * seed + step))

    def loss(x: torch.Tensor) -> torch.Tensor:
        value = (model(x)[:, 0] - x.sum(1)).square().mean()
        return value * math.nan if poison_at is not None and loop_step(optimizer) == poison_at else value

    def validate() -> dict[str, float]:
        val_loss = (result(held_out)[:, 0] - held_out.sum(1)).square().mean().item()
        return {"val_loss": val_loss, "noise_loss": math.sin(loop_step(optimizer))}

    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)
    return Task(model, optimizer, batch, loss, validate, scheduler, averaged=averaged)


def loop_step(optimizer: torch.optim.Optimizer) -> int:
    states = list(optimizer.state.values())
    return int(states[0]["step"]) if states else 0


def _run(tmp_path, name: str) -> RunFolder:
    return RunFolder(tmp_path / name).begin({"room": "gnn"})


PLAN = Plan(steps=40, evaluate_every=4, patience=6, checkpoint_seconds=0)


def _train(run, build, plan=PLAN, seeds=(0, 1)):
    return train(run, seeds, plan, build, lambda task: task.validate(), Progress(quiet=True))


def _without_seconds(rows):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


@pytest.mark.parametrize("decay", [None, 0.9])
@pytest.mark.parametrize(("die_seed", "die_at"), [(0, 1), (0, 17), (1, 30)])
def test_a_killed_run_resumes_to_the_same_numbers(tmp_path, die_seed, die_at, decay):
    whole, broken = _run(tmp_path, "whole"), _run(tmp_path, "broken")
    expected = _train(whole, lambda seed: _task(seed, decay=decay))
    with pytest.raises(Killed):
        _train(broken, lambda seed: _task(seed, die_at if seed == die_seed else None, decay=decay))
    torch.rand(7)  # whatever happened in between
    resumed = _train(broken, lambda seed: _task(seed, decay=decay))
    assert _without_seconds(resumed) == _without_seconds(expected)
    assert broken.history_path.read_text() == whole.history_path.read_text()
    a, b = whole.load_checkpoint()["model"], broken.load_checkpoint()["model"]
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_the_best_weights_are_restored(tmp_path):
    run = _run(tmp_path, "run")
    rows = _train(run, _task, Plan(steps=60, monitor="noise_loss"), seeds=(3,))
    history = run.load_checkpoint()["history"]
    best = min(history, key=lambda row: row["noise_loss"])
    assert best["step"] < 60
    assert rows[0]["val_loss"] == best["val_loss"] != history[-1]["val_loss"]


def test_averaged_weights_are_what_is_kept_and_tested(tmp_path):
    run, weights = _run(tmp_path, "run"), []

    def on_step(task: Task, step: int) -> None:
        weights.append(task.model[0].weight.detach().clone())

    plan = Plan(steps=30, evaluate_every=30)
    train(
        run, [0], plan, lambda seed: _task(seed, decay=0.8), lambda task: task.validate(), Progress(quiet=True),
        on_step=on_step,
    )  # fmt: skip
    average = weights[0]
    for count, weight in enumerate(weights[1:], 1):
        average = average + max(0.2, 9 / (10 + count)) * (weight - average)
    kept = run.load_checkpoint()["model"]["0.weight"]
    torch.testing.assert_close(kept, average)
    assert not torch.allclose(kept, weights[-1])


def test_early_stopping_ends_after_patience_evaluations(tmp_path):
    run = _run(tmp_path, "run")
    rows = _train(run, _task, Plan(steps=400, evaluate_every=2, patience=3), seeds=(0,))
    losses = [row["val_loss"] for row in run.load_checkpoint()["history"]]
    best = losses.index(min(losses))
    assert rows[0]["steps"] < 400
    assert len(losses) - 1 - best == 3


def test_a_watched_figure_keeps_the_training_from_stopping(tmp_path):
    """The monitor is at its best in the first validation; the loss gets better until later, also over a resume."""
    plan = Plan(steps=400, monitor="flat", watched="val_loss", evaluate_every=2, patience=3, checkpoint_seconds=0)

    def build(seed, die_at=None):
        task = _task(seed, die_at)
        validate = task.validate
        task.validate = lambda: {**validate(), "flat": 1.0}
        return task

    whole, broken = _run(tmp_path, "whole"), _run(tmp_path, "broken")
    rows = _train(whole, build, plan, seeds=(0,))
    losses = [row["val_loss"] for row in whole.load_checkpoint()["history"]]
    assert len(losses) - 1 - losses.index(min(losses)) == 3 < losses.index(min(losses))
    assert rows[0]["val_loss"] == losses[0]
    with pytest.raises(Killed):
        _train(broken, lambda seed: build(seed, 2 * len(losses) - 3), plan, seeds=(0,))
    assert _without_seconds(_train(broken, build, plan, seeds=(0,))) == _without_seconds(rows)


def test_without_patience_every_step_is_run_and_the_last_is_evaluated(tmp_path):
    run = _run(tmp_path, "run")
    rows = _train(run, _task, Plan(steps=10, evaluate_every=4), seeds=(0,))
    assert rows[0]["steps"] == 10
    assert [row["step"] for row in run.load_checkpoint()["history"]] == [4, 8, 10]


def test_a_loss_that_is_not_finite_stops_with_its_step_and_keeps_the_checkpoint(tmp_path):
    run = _run(tmp_path, "run")
    with pytest.raises(NotFinite, match="became nan at step 11 of seed 0"):
        _train(run, lambda seed: _task(seed, poison_at=10))
    assert run.load_checkpoint()["current"]["step"] == 10


def test_a_checkpoint_of_other_settings_is_refused(tmp_path):
    run, other = _run(tmp_path, "run"), RunFolder(tmp_path / "other").begin({"room": "gnn", "seeds": 7})
    _train(run, _task)
    other.checkpoint_path.write_bytes(run.checkpoint_path.read_bytes())
    with pytest.raises(ValueError, match=r"checkpoint\.pt was not left by the training that .*config\.json describes"):
        _train(other, _task)


def test_finished_seeds_are_saved_in_time(tmp_path, monkeypatch):
    """Seeds that are short beside the time between checkpoints are not all run again."""
    clock = iter(range(0, 10**6))
    monkeypatch.setattr("graphreel.training.loop.time.perf_counter", lambda: float(next(clock)))
    run = _run(tmp_path, "run")
    with pytest.raises(Killed):
        _train(run, lambda seed: _task(seed, 0 if seed == 6 else None), Plan(2, checkpoint_seconds=25), range(8))
    assert 3 <= len(run.load_checkpoint()["finished"]) <= 6


def test_a_seed_leaves_nothing_behind(tmp_path):
    models = []

    def build(seed: int) -> Task:
        assert [model() for model in models] == [None] * len(models)
        task = _task(seed)
        models.append(weakref.ref(task.model))
        return task

    _train(_run(tmp_path, "run"), build, Plan(steps=2), seeds=(0, 1, 2))
    assert len(models) == 3


def test_seeds_do_not_depend_on_one_another(tmp_path):
    both = _train(_run(tmp_path, "both"), _task)
    alone = _train(_run(tmp_path, "alone"), _task, seeds=(1,))
    assert _without_seconds(both)[1:] == _without_seconds(alone)


def _improving_task(seed: int, die_at: int | None = None) -> Task:
    task = _task(seed, die_at)
    task.validate = lambda: {"val_loss": 1.0, "val_accuracy": min(1.0, loop_step(task.optimizer) / 20)}
    return task


@pytest.mark.parametrize("die_at", [None, 23])
def test_training_stops_after_three_evaluations_at_the_goal(tmp_path, die_at):
    run = _run(tmp_path, "run")
    plan = Plan(steps=60, evaluate_every=4, goal={"val_accuracy": 1.0}, checkpoint_seconds=0)
    if die_at is not None:
        with pytest.raises(Killed):
            _train(run, lambda seed: _improving_task(seed, die_at), plan)
    rows = _train(run, _improving_task, plan)
    assert [row["steps"] for row in rows] == [28, 28]  # perfect at 20, 24 and 28


def test_a_checkpoint_every_so_many_steps_and_the_last_ones_stay(tmp_path):
    run, found = _run(tmp_path, "run"), []

    def look(task, step):
        found.append([path.name for path in run.checkpoints if path.exists()])

    plan = Plan(steps=9, checkpoint_steps=3, keep_checkpoints=3)
    train(run, [0], plan, _task, lambda task: task.validate(), Progress(quiet=True), on_step=look)
    assert found[:3] == [[]] * 3 and found[3] == ["checkpoint.pt"]
    states = [torch.load(path)["current"] for path in run.checkpoints]
    assert [state and state["step"] for state in states] == [None, 9, 6]


def test_an_error_of_the_writer_ends_the_training_and_keeps_what_was_there(tmp_path, monkeypatch):
    run = _run(tmp_path, "run")
    save, calls = RunFolder.save_checkpoint, []

    def full(self, content, keep):
        calls.append(threading.current_thread() is threading.main_thread())
        if len(calls) == 3:
            raise OSError(28, "No space left on device", "checkpoint.pt")
        save(self, content, keep)

    monkeypatch.setattr(RunFolder, "save_checkpoint", full)
    with pytest.raises(OSError, match="No space left"):
        _train(run, _task)
    assert calls == [False] * 3 and run.load_checkpoint()["current"]["step"] == 2


@pytest.mark.slow
def test_a_killed_run_with_a_damaged_checkpoint_resumes_to_the_same_numbers(tmp_path):
    whole, broken = _run(tmp_path, "whole"), _run(tmp_path, "broken")
    expected = _train(whole, _task)
    with pytest.raises(Killed):
        _train(broken, lambda seed: _task(seed, 17 if seed == 1 else None))
    broken.checkpoint_path.write_bytes(broken.checkpoint_path.read_bytes()[:-100])
    assert _without_seconds(_train(broken, _task)) == _without_seconds(expected)
