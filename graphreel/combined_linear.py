"""The linear forecast of a series: what it reads and its penalties, chosen by cross-validation in the training part."""

from functools import cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from combined import LinearForecast
from graphreel.combined_settings import SeriesSettings

STRENGTHS = (0.1, 1.0, 10.0, 30.0, 100.0, 1000.0)
ACROSS = (100.0, 300.0, 1000.0, 3000.0, 10000.0)
INPUT_SETS = (("own",), ("own", "neighbours"), ("own", "network"), ("own", "neighbours", "network"))
# The term over every node has thousands of weights: it must lower the error by more than chance would.
WORTH = 0.98
BLOCKS = 5


def lags_of_linear(settings: SeriesSettings) -> int:
    """How many steps the linear forecast reads: a window, or, where the state is carried, --skip-lags."""
    return (settings.skip_lags or settings.lags) if settings.memory == "carried" else settings.lags


class LinearFits:
    """Linear forecasts of the settings, fitted on parts of a series.

    Inputs and penalties are chosen once, by cross-validation over blocks in time of the training and validation parts
    together: each block in turn is forecast by what was fitted on the others, but for the windows at its ends, whose
    targets lie in another block too. A validation part alone is short where the training part is.

    Args:
        parts: `SeriesParts`.
    """

    def __init__(self, settings: SeriesSettings, parts: Any) -> None:
        self.settings, self.parts = settings, parts
        self.tables = cache(self._tables)
        self.choice = self._chosen()

    def fitted(self, part: str) -> LinearForecast:
        """The forecast of the chosen inputs and penalties, fitted on a part: train, or both (validation as well)."""
        inputs, strength, across = self.choice
        columns, all_nodes, y, observed = self.tables(inputs, part)
        linear = self._made(inputs, across is not None)
        linear.fit(columns, y, observed, strength, self.parts.deviation)
        return linear if across is None else linear.fit_across(columns, all_nodes, y, observed, across)

    def _made(self, inputs: tuple[str, ...], across: bool = False) -> LinearForecast:
        nodes = self.parts.nodes if across else 0
        return LinearForecast(lags_of_linear(self.settings), self.settings.horizon, self.parts.features, inputs, nodes)

    def _tables(self, inputs: tuple[str, ...], part: str) -> Any:
        tables: tuple[Tensor, ...] = self.parts.tables(self._made(inputs), part)
        return tables

    def _chosen(self) -> tuple[tuple[str, ...], float, float | None]:
        errors = {}
        for inputs in INPUT_SETS:
            if self.settings.spatial != "none" or "neighbours" not in inputs:
                errors |= {(inputs, strength): error for strength, error in self._errors(inputs).items()}
        inputs, strength = min(errors, key=lambda choice: errors[choice])
        across = self._errors_across(inputs, strength)
        best = min(across, key=lambda a: across[a])
        return inputs, strength, best if across[best] < WORTH * errors[inputs, strength] else None

    def _errors(self, inputs: tuple[str, ...]) -> dict[float, float]:
        """The mean error of every strength, over the blocks."""
        columns, all_nodes, y, observed = self.tables(inputs, "both")
        linear = self._made(inputs)
        blocks = self._blocks(len(y))
        own = [linear.equations(columns[a:b], y[a:b], observed[a:b], self.parts.deviation) for a, b in blocks]
        alike = all(len(squares) == 1 for squares, _ in own)
        own = [(q if alike else q.expand(self.settings.horizon, -1, -1), p) for q, p in own]
        found = dict.fromkeys(STRENGTHS, 0.0)
        for held, (a, b) in enumerate(blocks):
            others = [pair for number, pair in enumerate(own) if number != held]
            equations = torch.stack([q for q, _ in others]).sum(0), torch.stack([p for _, p in others]).sum(0)
            a, b = self._inner(a, b)
            if not observed[a:b].any():
                continue
            for strength in STRENGTHS:
                told = linear.solve(equations, strength).of_columns(columns[a:b], all_nodes[a:b])
                found[strength] += float(self.parts.loss_of(told, y[a:b], observed[a:b], "mse")) / len(blocks)
        return found

    def _errors_across(self, inputs: tuple[str, ...], strength: float) -> dict[float, float]:
        """The same for the term over every node, on top of the first."""
        columns, all_nodes, y, observed = self.tables(inputs, "both")
        linear = self._made(inputs, across=True)
        blocks = self._blocks(len(y))
        found = dict.fromkeys(ACROSS, 0.0)
        for a, b in blocks:
            if not observed[slice(*self._inner(a, b))].any():
                continue
            kept = torch.cat([torch.arange(a), torch.arange(b, len(y))])
            linear.fit(columns[kept], y[kept], observed[kept], strength, self.parts.deviation)
            a, b = self._inner(a, b)
            for across in ACROSS:
                linear.fit_across(columns[kept], all_nodes[kept], y[kept], observed[kept], across)
                told = linear.of_columns(columns[a:b], all_nodes[a:b])
                found[across] += float(self.parts.loss_of(told, y[a:b], observed[a:b], "mse")) / len(blocks)
        return found

    def _blocks(self, count: int) -> list[tuple[int, int]]:
        number = max(2, min(BLOCKS, count // (2 * self.settings.horizon)))
        ends = [count * i // number for i in range(number + 1)]
        return list(pairwise(ends))

    def _inner(self, start: int, stop: int) -> tuple[int, int]:
        """The windows of a block that share no target with those of another."""
        shared = self.settings.horizon - 1
        return (start + shared, stop - shared) if stop - start > 2 * shared else (start, stop)
