"""Who takes part in which step of a scan through time."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..cells import State

_STRETCH = 4096  # rows


@dataclass(frozen=True)
class Fork:
    """Places start .. end of the batch begin anew at a step: the first `len(parents)` of them from the state that their
    parents (places below start) have reached, the others from zero."""

    start: int
    end: int
    parents: Tensor

    @property
    def middle(self) -> int:
        return self.start + len(self.parents)

    def apply(self, part: Tensor) -> Tensor:
        """A new state [n, H] in which the fork has happened."""
        zeros = part.new_zeros(self.end - self.middle, part.shape[1])
        return torch.cat((part[: self.start], part.index_select(0, self.parents), zeros, part[self.end :]))

    def apply_(self, part: Tensor) -> None:
        """The same in place."""
        part[self.start : self.middle] = part.index_select(0, self.parents)
        part[self.middle : self.end] = 0

    def backward_(self, gradient: Tensor) -> None:
        """From the gradient after the fork to the one before it, in place."""
        gradient[: self.start].index_add_(0, self.parents, gradient[self.start : self.middle])
        gradient[self.start : self.end] = 0


@dataclass(frozen=True)
class BatchSchedule:
    """Sequences under way at each step, never decreasing (see packing.py), and the forks before a step.

    A sequence's state before its first step is its initial state, unless a fork replaces it later.
    """

    counts: tuple[int, ...]
    forks: dict[int, Fork] = field(default_factory=dict)

    @property
    def batch(self) -> int:
        return self.counts[-1]

    @property
    def rows(self) -> int:
        return sum(self.counts)

    def stretches(self) -> list[tuple[range, slice]]:
        """The steps in stretches of a few thousand rows, or of one step with more; and their rows in a flat buffer."""
        found, first, start, end = [], 0, 0, 0
        for step, count in enumerate(self.counts):
            end += count
            if end - start >= _STRETCH or step == len(self.counts) - 1:
                found.append((range(first, step + 1), slice(start, end)))
                first, start = step + 1, end
        return found

    def entering(self) -> set[int]:
        """The steps before which a sequence enters or forks."""
        before = zip((0, *self.counts), self.counts, strict=False)
        return {step for step, (old, new) in enumerate(before) if new > old} | self.forks.keys()

    def enter_(self, step: int, state: State, initial: State) -> None:
        """As `enter`, in place: `state` [counts[step], H] still lacks what enters at this step, and has not forked."""
        n, before = self.counts[step], self.counts[step - 1] if step else 0
        if before < n:
            for part, start in zip(state, initial, strict=True):
                part[before:] = start[before:n]
        if step in self.forks:
            for part in state:
                self.forks[step].apply_(part)

    def enter(self, step: int, state: State, initial: State) -> State:
        """The state [counts[step], H] that goes into a step, from the one that came out of the step before."""
        n = self.counts[step]
        if len(state[0]) < n:
            state = tuple(torch.cat((part, start[len(part) : n])) for part, start in zip(state, initial, strict=True))
        fork = self.forks.get(step)
        return state if fork is None else tuple(fork.apply(part) for part in state)
