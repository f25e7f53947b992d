"""Pictures of what the gates do along a sequence."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from graphreel.core.labels import plain
from graphreel.core.picture import Picture

_MEANING = {
    "i": "i: how much of the input enters",
    "f": "f: how much of the past stays",
    "g": "g: the candidate for the memory",
    "o": "o: how much of the memory is shown",
    "c": "c: the memory",
    "h": "h: the output",
    "r": "r: how much of the past the candidate sees",
    "z": "z: how much the update gate lets through",
    "n": "n: the candidate",
}
_SIGMOID = ("i", "f", "o", "r", "z")


def unit_order(values: Tensor) -> list[int]:
    """Units of values [T, H] by when they are at their strongest, so that neighbours in a picture behave alike."""
    weight = values.abs().double() + 1e-12
    place = np.arange(len(values)) @ (weight / weight.sum(0)).numpy()
    return np.argsort(place, kind="stable").tolist()


def draw_gates(
    gates: Mapping[str, Tensor], symbols: Sequence[str], names: Sequence[str] | None = None, max_units: int = 64
) -> Figure:
    """Draw each gate of one sequence as a map of units against steps, with its mean over the units above it.

    Args:
        gates: gate -> activations [T, H], such as one row of the batch of `graphreel.rnn.analysis.gates`.
        symbols: the T input symbols, written along the steps.
        names: which gates, in which order; by default all but h.
        max_units: of a layer that has more, evenly spaced ones are shown.

    Raises:
        ValueError: a gate is unknown or has another number of steps than there are symbols.
    """
    names = [name for name in gates if name != "h"] if names is None else list(names)
    for name in names:
        if name not in gates:
            raise ValueError(f"names must be among {', '.join(gates)}, got {name!r}")
        if gates[name].dim() != 2 or len(gates[name]) != len(symbols):
            raise ValueError(f"gate {name} must have shape [{len(symbols)}, H], got {list(gates[name].shape)}")
    steps = len(symbols)
    figure = Picture(figsize=(min(16, max(6, 0.24 * steps + 2)), 2.6 * len(names)), layout="constrained")
    rows = figure.subplots(2 * len(names), 1, squeeze=False, sharex=True, height_ratios=[1, 3] * len(names))[:, 0]
    for number, name in enumerate(names):
        values = gates[name].detach().cpu()
        order = unit_order(values)
        chosen = [order[i] for i in np.linspace(0, len(order) - 1, min(max_units, len(order))).round().astype(int)]
        mean, picture = rows[2 * number], rows[2 * number + 1]
        mean.plot(np.arange(steps), values.double().mean(1).numpy(), color="#0072B2", linewidth=1.4)
        mean.set_ylabel("mean")
        mean.set_title(_MEANING.get(name, name), fontsize=10, loc="left")
        mean.grid(alpha=0.25)
        largest = max(1.0, values.abs().max().item())
        limits = {"vmin": 0.0, "vmax": 1.0, "cmap": "cividis"}
        if name not in _SIGMOID:
            limits = {"vmin": -largest, "vmax": largest, "cmap": "PuOr"}
        image = picture.imshow(values[:, chosen].T.numpy(), aspect="auto", interpolation="nearest", **limits)
        picture.set_ylabel(f"{len(chosen)} units")
        picture.set_yticks([])
        figure.colorbar(image, ax=[mean, picture], shrink=0.8)
        if name in _SIGMOID:
            mean.set_ylim(-0.02, 1.02)
    rows[-1].set_xticks(np.arange(steps), [_visible(symbol) for symbol in symbols], fontsize=7)
    rows[-1].set_xlabel("input symbol at each step")
    return figure


def _visible(symbol: str) -> str:
    return {" ": "␣", "\n": "⏎", "\t": "⇥"}.get(symbol) or plain(symbol)
