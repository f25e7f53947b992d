"""One training loop for every room: steps, evaluation, early stopping, best weights, checkpoint and resume."""

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from ignite.engine import Engine, Events
from ignite.handlers import EarlyStopping
from torch import Tensor

from graphreel.training.progress import Progress
from graphreel.training.run_folder import RunFolder
from graphreel.training.task import Task, train_step


@dataclass(frozen=True)
class Plan:
    """How long to train and what to watch.

    Attributes:
        steps: optimiser steps at most.
        evaluate_every: steps between evaluations; the last step is always evaluated.
        monitor: the figure of `Task.evaluate` that chooses the best weights; one that ends in "loss" is minimised.
        patience: evaluations without a better figure before stopping; None trains all steps.
        goal: figures of `Task.evaluate` that are good enough: training stops after 3 evaluations in a row with all of
            them at least as large.
        clip_norm: largest norm of the gradient; None leaves it.
        checkpoint_seconds: least time between two checkpoints.
    """

    steps: int
    evaluate_every: int = 1
    monitor: str = "val_loss"
    patience: int | None = None
    clip_norm: float | None = None
    goal: Mapping[str, float] = field(default_factory=dict)
    checkpoint_seconds: float = 5.0


def train(
    run: RunFolder,
    seeds: Sequence[int],
    plan: Plan,
    build: Callable[[int], Task],
    test: Callable[[Task], dict[str, Any]],
    progress: Progress,
    extra: Mapping[str, Any] | None = None,
    on_step: Callable[[Task, int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Train every seed, keep the folder's checkpoint and history up to date, and return a row of figures per seed.

    A checkpoint that is already in the folder is continued: finished seeds are not run again, and the one that was
    interrupted goes on from its last checkpoint with the same random state, to the same numbers.

    Args:
        build: seed -> Task; called right after `torch.manual_seed(seed)`.
        test: Task with its best weights -> figures of the test part; called once per seed.
        extra: further entries of checkpoint.pt (a vocabulary, say).
        on_step: called with (task, seed, step) after every step.

    Raises:
        NotFinite: the loss is not finite; the folder keeps its last good checkpoint.
        ValueError: the folder's checkpoint belongs to other settings.
    """
    config = run.config()
    saved = _load_own_checkpoint(run, config) if run.checkpoint_path.exists() else None
    finished: list[dict[str, Any]] = saved["finished"] if saved else []
    history: list[dict[str, Any]] = saved["history"] if saved else []
    best_run: dict[str, Any] | None = saved["best_run"] if saved else None
    current = saved["current"] if saved else None

    saved_at = time.perf_counter()

    def save_is_due() -> bool:
        return time.perf_counter() - saved_at > plan.checkpoint_seconds or not run.checkpoint_path.exists()

    def save(seed_state: dict[str, Any] | None) -> None:
        nonlocal saved_at
        weights = best_run["model"] if best_run is not None else (seed_state or {}).get("best_model")
        run.save_checkpoint(
            {
                "room": config["room"],
                "config": config,
                **(extra or {}),
                "model": weights,
                "finished": finished,
                "history": history,
                "best_run": best_run,
                "current": seed_state,
            }
        )
        run.write_history(history)
        saved_at = time.perf_counter()

    with _seeds_collected(), progress.over(len(seeds) * plan.steps) as bar:
        for index in range(len(finished), len(seeds)):
            seed = seeds[index]
            torch.manual_seed(seed)
            task = build(seed)
            loop = _Loop(task, plan, seed, history, save, save_is_due, on_step, bar, index * plan.steps)
            if current is not None:
                try:
                    loop.load_state_dict(current)
                except (KeyError, RuntimeError, TypeError, ValueError):
                    raise ValueError(f"{run.checkpoint_path} does not fit the model of config.json") from None
                current = None
            loop.run()
            figures = test(task)
            count = sum(p.numel() for p in task.model.parameters())
            said = {"seed": seed, "steps": loop.step, "seconds": round(loop.seconds, 3), "parameters": count}
            finished.append({**said, **figures})
            score = loop.sign * loop.best_score
            if best_run is None or score > best_run["score"]:
                best_run = {"seed": seed, "score": score, "model": task.model.state_dict()}
            if index + 1 == len(seeds) or save_is_due():
                save(None)
            del task, loop
            gc.collect()  # the engine refers to its handlers and they to it: a seed's memory would outlive it
    return finished


@contextmanager
def _seeds_collected() -> Iterator[None]:
    """Let `gc.collect` look at a seed's objects alone: to go through torch's takes a quarter of a second every time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _load_own_checkpoint(run: RunFolder, config: Mapping[str, Any]) -> dict[str, Any]:
    saved = run.load_checkpoint()
    if not {"config", "finished", "history", "best_run", "current"} <= set(saved) or saved["config"] != config:
        raise ValueError(f"{run.checkpoint_path} was not left by the training that {run.config_path} describes")
    return saved


class _Loop:
    """One seed's training as an ignite engine."""

    def __init__(
        self,
        task: Task,
        plan: Plan,
        seed: int,
        history: list[dict[str, Any]],
        save: Callable[[dict[str, Any]], None],
        save_is_due: Callable[[], bool],
        on_step: Callable[[Task, int, int], None] | None,
        bar: Any,
        offset: int,
    ):
        self.task, self.plan, self.seed, self.history, self.save, self.bar = task, plan, seed, history, save, bar
        self.save_is_due, self.on_step, self.offset = save_is_due, on_step, offset
        self.sign = -1.0 if plan.monitor.endswith("loss") else 1.0
        self.best_score = -self.sign * math.inf
        self.best_model: dict[str, Tensor] = {}
        self.seconds = 0.0
        self.loss_sum, self.loss_count = 0.0, 0
        self.figures: dict[str, float] = {}
        self.parameters = [p for group in task.optimizer.param_groups for p in group["params"]]
        self.engine = Engine(self._train_step)
        self.engine.logger.disabled = True  # it would repeat on stderr the error that is raised anyway
        self.engine.add_event_handler(Events.ITERATION_COMPLETED, self._after_step)
        self.stopper = None
        if plan.patience is not None:
            self.stopper = EarlyStopping(plan.patience, lambda _: self.sign * self.figures[plan.monitor], self.engine)
            self.stopper.logger.disabled = True
        self.started = time.perf_counter()

    @property
    def step(self) -> int:
        return self.engine.state.iteration

    def run(self) -> None:
        self.task.model.train()
        self.started = time.perf_counter() - self.seconds
        stopped = self.stopper is not None and self.stopper.counter >= self.stopper.patience
        stopped = stopped or self._goal_reached()
        if self.step < self.plan.steps and not stopped:
            self.engine.run(None, max_epochs=1, epoch_length=self.plan.steps)
        self.seconds = time.perf_counter() - self.started
        for model in {self.task.model, self.task.result}:
            model.load_state_dict(self.best_model)
            model.eval()
        self.bar.reach(self.offset + self.plan.steps, self._line())

    def _train_step(self, engine: Engine, _: Any) -> float:
        return train_step(
            self.task, engine.state.iteration - 1, self.parameters, self.plan.clip_norm, f"seed {self.seed}"
        )

    def _after_step(self, engine: Engine) -> None:
        self.loss_sum, self.loss_count = self.loss_sum + engine.state.output, self.loss_count + 1  # type: ignore[operator]
        if self.on_step is not None:
            self.on_step(self.task, self.seed, self.step)
        if self.step % self.plan.evaluate_every and self.step != self.plan.steps:
            if self.loss_count % 16 == 0:
                self.bar.reach(self.offset + self.step, self._line())
            return
        self._evaluate()
        if self.stopper is not None:
            self.stopper(engine)
        if self._goal_reached():
            engine.terminate()
        self.bar.reach(self.offset + self.step, self._line())
        if self.save_is_due():
            self.seconds = time.perf_counter() - self.started
            self.save(self.state_dict())

    def _evaluate(self) -> None:
        self.task.model.eval()
        with torch.no_grad():
            self.figures = self.task.evaluate()
        self.task.model.train()
        row = {"seed": self.seed, "step": self.step, "train_loss": self.loss_sum / self.loss_count, **self.figures}
        self.history.append(row)
        self.loss_sum, self.loss_count = 0.0, 0
        score = self.figures[self.plan.monitor]
        if self.sign * score > self.sign * self.best_score:
            self.best_score = score
            state = self.task.result.state_dict()
            if self.best_model:
                torch._foreach_copy_([self.best_model[key] for key in state], list(state.values()))
            else:
                self.best_model = {key: value.detach().clone() for key, value in state.items()}

    def _goal_reached(self) -> bool:
        goal = self.plan.goal
        last = [row for row in self.history[-3:] if row["seed"] == self.seed]
        return bool(goal) and len(last) == 3 and all(row[name] >= goal[name] for row in last for name in goal)

    def _line(self) -> str:
        shown = {key: value for key, value in self.figures.items() if key.startswith("val") or key == self.plan.monitor}
        return f"seed {self.seed}  step {self.step}  " + "  ".join(f"{key} {value:.4g}" for key, value in shown.items())

    def state_dict(self) -> dict[str, Any]:
        task = self.task
        return {
            "seed": self.seed,
            "step": self.step,
            "seconds": self.seconds,
            "rows": len(self.history),
            "figures": self.figures,
            "model": task.model.state_dict(),
            "optimizer": task.optimizer.state_dict(),
            "scheduler": None if task.scheduler is None else task.scheduler.state_dict(),
            "carried": {key: value.state_dict() for key, value in task.carried.items()},
            "averaged": None if task.averaged is None else task.averaged.state_dict(),
            "best_score": self.best_score,
            "best_model": self.best_model,
            "stopper": None if self.stopper is None else dict(self.stopper.state_dict()),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        task = self.task
        task.model.load_state_dict(state["model"])
        task.optimizer.load_state_dict(state["optimizer"])
        if task.scheduler is not None:
            task.scheduler.load_state_dict(state["scheduler"])
        if task.averaged is not None:
            task.averaged.load_state_dict(state["averaged"])
        for key, value in task.carried.items():
            value.load_state_dict(state["carried"][key])
        device = next(task.model.parameters()).device
        self.best_score = state["best_score"]
        self.best_model = {key: value.to(device, copy=True) for key, value in state["best_model"].items()}
        self.seconds, self.figures = state["seconds"], dict(state["figures"])
        if self.stopper is not None:
            self.stopper.load_state_dict(state["stopper"])
        self.engine.load_state_dict({"iteration": state["step"], "max_epochs": 1, "epoch_length": self.plan.steps})
        torch.set_rng_state(state["random"])
        if state["random_cuda"] and torch.cuda.is_available():
            torch.cuda.set_rng_state_all(state["random_cuda"])
