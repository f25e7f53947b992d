"""When a training's state is written, and what checkpoint.pt holds beside the seed that is being trained."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from graphreel.training import ranks
from graphreel.training.background import Background, snapshot
from graphreel.training.run_folder import RunFolder
from graphreel.training.task import Task


@dataclass(frozen=True)
class Plan:
    """How long to train and what to watch.

    Attributes:
        steps: optimiser steps at most.
        evaluate_every: steps between validations; the last step is always validated.
        monitor: the figure of `Task.validate` that chooses the best weights; one that ends in "loss" is minimised.
        patience: validations without a better figure before stopping; None trains all steps.
        watched: a second figure of `Task.validate`, whose better values also keep the training from stopping.
        goal: figures of `Task.validate` that are good enough: training stops after 3 validations in a row with all of
            them at least as large.
        clip_norm: largest norm of the gradient; None leaves it.
        checkpoint_seconds: least time between two checkpoints.
        checkpoint_steps: steps from one checkpoint to the next, in place of a time.
        keep_checkpoints: how many stay, the newest and those before it; 0: two until the end, then one.
    """

    steps: int
    evaluate_every: int = 1
    monitor: str = "val_loss"
    patience: int | None = None
    watched: str = ""
    clip_norm: float | None = None
    goal: Mapping[str, float] = field(default_factory=dict)
    checkpoint_seconds: float = 5.0
    checkpoint_steps: int = 0
    keep_checkpoints: int = 0


class Checkpoints:
    """The checkpoints of a training.

    Attributes:
        finished, history: rows of the seeds that are done, and of all validations.
        best_run: the best of them, with its weights.
        current: the state of the seed that was being trained, of a checkpoint that is continued.
        unsaved: steps since the last checkpoint.

    Raises:
        ValueError: the folder's checkpoint belongs to other settings, or is damaged.
    """

    def __init__(
        self,
        run: RunFolder,
        plan: Plan,
        entries: Mapping[str, Any],
        on_validation: Callable[[Mapping[str, Any]], None] | None,
    ) -> None:
        self.run, self.plan, self.entries, self.on_validation = run, plan, entries, on_validation
        self.finished: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []
        self.best_run: dict[str, Any] | None = None
        self.current: dict[str, Any] | None = None
        self.config, saved = ranks.from_first(
            lambda: (run.config(), run.load_checkpoint() if run.has_checkpoint else None)
        )
        if saved is not None:
            self._read(saved)
        self.saved_at, self.unsaved = time.perf_counter(), 0
        self._writer = Background()

    @contextmanager
    def written(self) -> Iterator[None]:
        """See, at the end of a with statement, that what was saved is on the disk."""
        try:
            yield
        finally:
            self._writer.wait()

    def _read(self, saved: dict[str, Any]) -> None:
        kinds = {"finished": list, "history": list, "best_run": dict | None, "current": dict | None}
        if saved.get("config") != self.config or not set(kinds) <= set(saved):
            raise ValueError(
                f"{self.run.checkpoint_path} was not left by the training that {self.run.config_path} describes"
            )
        for name, kind in kinds.items():
            rows = saved[name] if kind is list and isinstance(saved[name], list) else []
            if not isinstance(saved[name], kind) or not all(isinstance(row, dict) and "seed" in row for row in rows):
                raise ValueError(f"{self.run.checkpoint_path} is damaged: {name} is not what a training leaves there")
            setattr(self, name, saved[name])
        if self.best_run is not None and not {"seed", "score", "model"} <= set(self.best_run):
            raise ValueError(f"{self.run.checkpoint_path} is damaged: best_run is not what a training leaves there")
        weights = (self.best_run or {}).get("model")
        if isinstance(weights, dict):  # the rows of the first runs lack the number of parameters
            count = sum(weight.numel() for weight in weights.values() if isinstance(weight, torch.Tensor))
            self.finished = [{"parameters": count, **row} for row in self.finished]

    def is_due(self) -> bool:
        if self.plan.checkpoint_steps:
            return self.unsaved >= self.plan.checkpoint_steps
        return time.perf_counter() - self.saved_at > self.plan.checkpoint_seconds or not self.run.has_checkpoint

    def note(self, row: dict[str, Any]) -> None:
        """Add a row to the history."""
        self.history.append(row)
        if self.on_validation is not None and ranks.is_first():
            self.on_validation(row)

    def save(self, seed_state: dict[str, Any] | None, last: bool = False) -> None:
        if not ranks.is_first():
            return
        best_run, current = snapshot(self.best_run), snapshot(seed_state)
        history = list(self.history)
        content = {
            "room": self.config["room"],
            "config": self.config,
            **self.entries,
            "model": best_run["model"] if best_run is not None else (current or {}).get("best_model"),
            "finished": list(self.finished),
            "history": history,
            "best_run": best_run,
            "current": current,
        }

        def write() -> None:
            self.run.save_checkpoint(content, self.plan.keep_checkpoints or 2 - last)
            self.run.write_history(history)

        first = not self.run.has_checkpoint
        self._writer.start(write)
        if first:  # a run that this one replaces is gone once it is there
            self._writer.wait()
        self.saved_at, self.unsaved = time.perf_counter(), 0

    def finish(self, row: dict[str, Any], score: float, task: Task, last: bool) -> None:
        """Note a seed's figures, and its weights where they are the best so far."""
        self.finished.append(row)
        if self.best_run is None or score > self.best_run["score"]:
            self.best_run = {"seed": row["seed"], "score": score, "model": task.model.state_dict()}
        if ranks.is_first() and (last or self.is_due()):
            self.save(None, last)
