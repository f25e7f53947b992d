"""One training loop for every kind of data: steps, validation, early stopping, best weights, checkpoint and resume."""

import gc
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from graphreel.training import ranks
from graphreel.training.checkpoints import Checkpoints, Plan
from graphreel.training.errors import NotFinite
from graphreel.training.progress import Progress
from graphreel.training.random_state import random_state, set_random_state
from graphreel.training.run_folder import RunFolder
from graphreel.training.signals import REQUEST
from graphreel.training.task import Task, train_step

_DAMAGED = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


def train(
    run: RunFolder,
    seeds: Sequence[int],
    plan: Plan,
    build: Callable[[int], Task],
    evaluate: Callable[[Task], dict[str, Any]],
    progress: Progress,
    entries: Mapping[str, Any] | None = None,
    on_step: Callable[[Task, int], None] | None = None,
    on_validation: Callable[[Mapping[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Train every seed, keep the folder's checkpoint and history up to date, and return a row of figures per seed.

    A checkpoint that is already in the folder is continued: finished seeds are not run again, and the one that was
    interrupted goes on from its last checkpoint with the same random state, to the same numbers. A signal to stop is
    followed after the step at hand, with a checkpoint. Checkpoints are written in a thread beside the training, which
    has ended when this returns or raises. Of several ranks the first alone reads and writes the folder.

    Args:
        build: seed -> Task; called right after `torch.manual_seed(seed)`.
        evaluate: Task with its best weights -> figures of the test part; called once per seed.
        entries: further entries of checkpoint.pt (a vocabulary, say).
        on_step: called with (task, step) after every step.
        on_validation: called with every row of the history.

    Raises:
        NotFinite: the loss is not finite; the folder keeps its last good checkpoint.
        ValueError: the folder's checkpoint belongs to other settings, or is damaged.
        KeyboardInterrupt, Stopped: a signal asked to stop.
        OSError: the disk is full, say; checkpoints from before are whole.
    """
    book = Checkpoints(run, plan, entries or {}, on_validation)
    with book.written(), _seeds_collected(), progress.over(len(seeds) * plan.steps) as bar:
        for index in range(len(book.finished), len(seeds)):
            seed = seeds[index]
            torch.manual_seed(seed)
            task = build(seed)
            task.seed = seed
            if not ranks.is_first():
                torch.manual_seed(seed + ranks.rank() * 2**32)  # dropout of its own, in a model that is the same

            def show(done: int, line: str, before: int = index * plan.steps) -> None:
                bar.reach(before + done, line)

            loop = _Loop(task, plan, book, on_step, show)
            loop.run()
            book.finish(loop.row(evaluate(task)), loop.best_score * loop.sign, task, last=index + 1 == len(seeds))
            del task, loop
            gc.collect()  # closures refer to one another: a seed's memory would outlive it
    return book.finished


@contextmanager
def _seeds_collected() -> Iterator[None]:
    """Let `gc.collect` look at a seed's objects alone: to go through torch's takes a quarter of a second every time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class _Loop:
    """One seed's training, from its start or from the checkpoint's current state."""

    def __init__(
        self,
        task: Task,
        plan: Plan,
        book: Checkpoints,
        on_step: Callable[[Task, int], None] | None,
        show: Callable[[int, str], None],
    ) -> None:
        self.task, self.plan, self.book, self.on_step, self.show = task, plan, book, on_step, show
        self.sign, self.watched_sign = (-1.0 if name.endswith("loss") else 1.0 for name in (plan.monitor, plan.watched))
        self.step, self.seconds = 0, 0.0
        self.best_score, self.stale = -self.sign * math.inf, 0
        self.best_watched = -math.inf
        self.best_model: dict[str, Tensor] = {}
        self.losses: list[float] = [0.0, 0]  # their sum and number since the last validation
        self.figures: dict[str, float] = {}
        self.parameters = [p for group in task.optimizer.param_groups for p in group["params"]]
        current, book.current = book.current, None
        if current is not None:
            try:
                self.load_state_dict(current)
            except _DAMAGED:
                raise ValueError(f"{book.run.checkpoint_path} does not fit the model of config.json") from None

    def run(self) -> None:
        """Train to the end, and set the model to its best weights."""
        self.task.model.train()
        self.started = time.perf_counter() - self.seconds
        with REQUEST.deferred():
            while self.step < self.plan.steps and not self._is_over():
                self._advance()
                if REQUEST.number is not None:
                    REQUEST.stop(f" after step {self.step} of seed {self.task.seed}")
        self.seconds = time.perf_counter() - self.started
        if not self.best_model:
            raise NotFinite(f"{self.plan.monitor} of seed {self.task.seed} was never finite")
        for model in {self.task.model, self.task.result}:
            model.load_state_dict(self.best_model)
            model.eval()
        self.show(self.plan.steps, self._line())

    def row(self, figures: Mapping[str, Any]) -> dict[str, Any]:
        """The figures of a finished seed."""
        count = sum(p.numel() for p in self.task.model.parameters())
        head = {"seed": self.task.seed, "steps": self.step, "seconds": round(self.seconds, 3), "parameters": count}
        return {**head, **figures}

    def _advance(self) -> None:
        loss = train_step(self.task, self.step, self.parameters, self.plan.clip_norm, f"seed {self.task.seed}")
        self.step += 1
        self.book.unsaved += 1
        self.losses = [self.losses[0] + loss, self.losses[1] + 1]
        if self.on_step is not None and ranks.is_first():
            self.on_step(self.task, self.step)
        if self.step % self.plan.evaluate_every == 0 or self.step == self.plan.steps:
            self._validate()
            self.show(self.step, self._line())
        elif self.losses[1] % 16 == 0:
            self.show(self.step, self._line())
        due = ranks.is_first() and self.book.is_due()
        saved, number = ranks.greatest(due, REQUEST.number or 0)  # a signal to one rank is one to all
        REQUEST.number = int(number) or None
        if saved or number:
            self._save()

    def _validate(self) -> None:
        self.task.model.eval()
        with torch.no_grad():
            figures = self.task.validate()
        self.figures = ranks.from_first(lambda: figures)  # which decide alike on all ranks, to the last digit
        self.task.model.train()
        score = self.figures[self.plan.monitor]
        if not math.isfinite(score):
            raise NotFinite(
                f"{self.plan.monitor} became {score} at step {self.step} of seed {self.task.seed}: "
                "try a smaller --lr, or look for extreme values in the data"
            )
        total, count = self.losses
        head = {"seed": self.task.seed, "step": self.step, "train_loss": total / count}
        self.book.note({**head, **self.figures})
        self.losses, self.stale = [0.0, 0], self.stale + 1
        watched = self.watched_sign * self.figures.get(self.plan.watched, math.nan)
        if watched > self.best_watched:
            self.best_watched, self.stale = watched, 0
        if self.sign * score > self.sign * self.best_score:
            self.best_score, self.stale = score, 0
            state = self.task.result.state_dict()
            if self.best_model:
                torch._foreach_copy_([self.best_model[key] for key in state], list(state.values()))
            else:
                self.best_model = {key: value.detach().clone() for key, value in state.items()}

    def _is_over(self) -> bool:
        """Whether patience is at its end, or the goal was reached three times in a row."""
        if self.plan.patience is not None and self.stale >= self.plan.patience:
            return True
        goal = self.plan.goal
        last = [row for row in self.book.history[-3:] if row["seed"] == self.task.seed]
        return bool(goal) and len(last) == 3 and all(row[name] >= goal[name] for row in last for name in goal)

    def _line(self) -> str:
        shown = {key: value for key, value in self.figures.items() if key.startswith("val") or key == self.plan.monitor}
        figures = "  ".join(f"{key} {value:.4g}" for key, value in shown.items())
        return f"seed {self.task.seed}  step {self.step}  {figures}"

    def _save(self) -> None:
        self.seconds = time.perf_counter() - self.started
        self.book.save(self.state_dict())

    def state_dict(self) -> dict[str, Any]:
        task = self.task
        return {
            "seed": task.seed,
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
            "figures": self.figures,
            "model": task.model.state_dict(),
            "optimizer": task.optimizer.state_dict(),
            "scheduler": None if task.scheduler is None else task.scheduler.state_dict(),
            "carried": {key: value.state_dict() for key, value in task.carried.items()},
            "averaged": None if task.averaged is None else task.averaged.state_dict(),
            "best_score": self.best_score,
            "best_watched": self.best_watched,
            "best_model": self.best_model,
            "stale": self.stale,
            **random_state(),
            "random_of_ranks": ranks.gather(random_state())[1:],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        task = self.task
        task.model.load_state_dict(state["model"])
        task.optimizer.load_state_dict(state["optimizer"])
        if task.scheduler is not None and state["scheduler"] is not None:  # runs made before may have had none
            task.scheduler.load_state_dict(state["scheduler"])
        if task.averaged is not None:
            task.averaged.load_state_dict(state["averaged"])
        for key, value in task.carried.items():
            value.load_state_dict(state["carried"][key])
        device = next(task.model.parameters()).device
        self.best_score = float(state["best_score"])
        self.best_watched = float(state.get("best_watched", -math.inf))
        self.best_model = {key: value.to(device, copy=True) for key, value in state["best_model"].items()}
        self.step, self.seconds, self.figures = int(state["step"]), float(state["seconds"]), dict(state["figures"])
        self.losses = list(state.get("losses", (0.0, 0)))
        # runs made before count in the state of ignite's EarlyStopping
        self.stale = int(state["stale"] if "stale" in state else (state["stopper"] or {"counter": 0})["counter"])
        states = [state, *state.get("random_of_ranks", ())]
        if ranks.rank() < len(states):  # one that was not there before draws as it has begun
            set_random_state(states[ranks.rank()])
