"""The linear forecast of a series: what it reads and its penalties, chosen by cross-validation in the training part."""

from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from graphreel.combined import LinearForecast
from graphreel.combined.models.linear_forecast import INPUTS
from graphreel.experiments.series_settings import SeriesSettings
from graphreel.training.metrics import masked_loss

STRENGTHS = (0.1, 1.0, 10.0, 30.0, 100.0, 1000.0)
ACROSS = (100.0, 300.0, 1000.0, 3000.0, 10000.0)
INPUT_SETS = (("own",), ("own", "neighbours"), ("own", "network"), ("own", "neighbours", "network"))
# The term over every node has thousands of weights: it must lower the error by more than chance would.
WORTH = 0.98
BLOCKS = 5


def lags_of_linear(settings: SeriesSettings) -> int:
    """How many steps the linear forecast reads: a window, or, where the state is carried, --skip-lags."""
    return (settings.skip_lags or settings.lags) if settings.memory == "carried" else settings.lags


@dataclass(frozen=True)
class Choice:
    """What the linear forecast is made of.

    Attributes:
        sets: inputs and penalty of each forecast that is averaged; one alone, or all.
        across: the penalty of the term over every node; None leaves it out.
    """

    sets: tuple[tuple[tuple[str, ...], float], ...]
    across: float | None = None


class LinearFits:
    """Linear forecasts of the settings, fitted on parts of a series.

    Inputs and penalties are chosen once, by cross-validation over blocks in time of the training and validation parts
    together: each block in turn is forecast by what was fitted on the others, but for the windows at its ends, whose
    targets lie in another block too. (A validation part alone is short where the training part is.) Besides each set
    of inputs, the mean of the forecasts of all sets is tried: where data are few, it may err less than any.

    Args:
        parts: `SeriesParts`.
    """

    def __init__(self, settings: SeriesSettings, parts: Any) -> None:
        self.settings, self.parts = settings, parts
        self.tables = cache(self._tables)
        sets = [s for s in INPUT_SETS if settings.spatial != "none" or "neighbours" not in s]
        found = {inputs: self._errors(inputs) for inputs in sets}
        every = tuple((inputs, min(errors, key=lambda s: errors[s])) for inputs, errors in found.items())
        single = min(every, key=lambda choice: found[choice[0]][choice[1]])
        alone = Choice((single,))
        least = found[single[0]][single[1]]
        together = self._error(Choice(every))
        chosen, least = (Choice(every), together) if together < least else (alone, least)
        across = {a: self._error(replace(chosen, across=a)) for a in ACROSS}
        best = min(across, key=lambda a: across[a])
        self.choice = replace(chosen, across=best) if across[best] < WORTH * least else chosen

    def fitted(self, part: str) -> LinearForecast:
        """The forecast that was chosen, fitted on a part: train, or both (validation as well)."""
        return self._fitted(self.choice, part)

    def _fitted(self, choice: Choice, part: str, kept: Tensor | slice = slice(None)) -> LinearForecast:
        """Fit on the windows `kept` of a part."""
        inputs = choice.sets[0][0] if len(choice.sets) == 1 else INPUTS
        if self.settings.spatial == "none":
            inputs = tuple(name for name in inputs if name != "neighbours")
        linear = self._made(inputs, choice.across is not None)
        weight = torch.zeros_like(linear.weight)
        for own, strength in choice.sets:
            columns, _, y, observed = self.tables(own, part)
            alone = self._made(own).fit(columns[kept], y[kept], observed[kept], strength, self.parts.deviation)
            weight[:, linear.columns_of(own)] += alone.weight / len(choice.sets)
        linear.weight = weight
        if choice.across is None:
            return linear
        columns, all_nodes, y, observed = self.tables(inputs, part)
        return linear.fit_across(columns[kept], all_nodes[kept], y[kept], observed[kept], choice.across)

    def _made(self, inputs: tuple[str, ...], across: bool = False) -> LinearForecast:
        nodes = self.parts.nodes if across else 0
        return LinearForecast(lags_of_linear(self.settings), self.settings.horizon, self.parts.features, inputs, nodes)

    def _tables(self, inputs: tuple[str, ...], part: str) -> Any:
        return self.parts.tables(self._made(inputs), part)

    def _error(self, choice: Choice) -> float:
        """The mean error over the blocks."""
        found = 0.0
        for a, b in (blocks := self._blocks(len(self.tables(choice.sets[0][0], "both")[2]))):
            inner = slice(*self._inner(a, b))
            count = blocks[-1][1]
            linear = self._fitted(choice, "both", torch.cat([torch.arange(a), torch.arange(b, count)]))
            columns, all_nodes, y, observed = self.tables(linear.inputs, "both")
            if observed[inner].any():
                forecast = linear.of_columns(columns[inner], all_nodes[inner])
                error = masked_loss("mse", forecast, y[inner], observed[inner], self.parts.deviation)
                found += float(error) / len(blocks)
        return found

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
                forecast = linear.solve(equations, strength).of_columns(columns[a:b], all_nodes[a:b])
                error = masked_loss("mse", forecast, y[a:b], observed[a:b], self.parts.deviation)
                found[strength] += float(error) / len(blocks)
        return found

    def _blocks(self, count: int) -> list[tuple[int, int]]:
        number = max(2, min(BLOCKS, count // (2 * self.settings.horizon)))
        ends = [count * i // number for i in range(number + 1)]
        return list(pairwise(ends))

    def _inner(self, start: int, stop: int) -> tuple[int, int]:
        """The windows of a block that share no target with those of another."""
        shared = self.settings.horizon - 1
        return (start + shared, stop - shared) if stop - start > 2 * shared else (start, stop)
