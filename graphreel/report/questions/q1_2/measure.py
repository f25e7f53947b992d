"""What the four gates of a trained LSTM do, and how many parameters the cell has."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from graphreel.report.questions import palindromes
from graphreel.report.workspace import Workspace
from graphreel.rnn import LSTM, SequenceClassifier, gates, parameter_count

STRINGS = 100  # test strings over which the gates are averaged


@dataclass(frozen=True)
class Sizes:
    """The training whose gates are looked at (that of Q1.3), and the cells (inputs, units, outputs) to count."""

    palindromes: palindromes.Sizes
    cells: tuple[tuple[int, int, int], ...] = field(default=((1, 1, 1), (64, 256, 2), (87, 128, 87)))


SIZES = {mode: Sizes(sizes) for mode, sizes in palindromes.SIZES.items()}
SECONDS = {"quick": 5, "full": 150}


def measure(sizes: Sizes, workspace: Workspace) -> dict[str, Any]:
    length = sizes.palindromes.lengths[-1]
    learned = palindromes.learn(workspace, sizes.palindromes, "lstm", lengths=(length,))[length].numbers
    workspace.picture("gates", workspace.trainings.folder / f"palindrome-{length}-lstm" / "gates.png")
    model, tokens = palindromes.best_network(workspace, length, "lstm")
    first, later, kept, extremes = _averages(model, tokens[:STRINGS])
    keeper = int(kept.argmax())
    return {
        "length": length,
        "strings": STRINGS,
        "first_digit": {name: values.mean().item() for name, values in first.items()},
        "later_digits": {name: values.mean().item() for name, values in later.items()},
        "kept_to_the_end": kept.mean().item(),
        "candidate_range": extremes,
        "longest_memory": {
            "unit": keeper,
            "kept_to_the_end": kept[keeper].item(),
            "first_digit": {name: values[keeper].item() for name, values in first.items()},
            "later_digits": {name: values[keeper].item() for name, values in later.items()},
        },
        "parameters": {", ".join(map(str, cell)): _count(*cell) for cell in sizes.cells},
        "test_accuracy": learned["test_accuracy"],
        "command": learned["command"],
    }


def verdicts(numbers: Mapping[str, Any]) -> dict[str, str]:
    """In the unit that keeps its memory longest, i opens wider at the digit that is the answer than later, and f keeps
    more than half to the end; g takes both signs. The report leaves out o and the count of the parameters."""
    keeper = numbers["longest_memory"]
    lowest, highest = numbers["candidate_range"]
    counted = all(count["two_biases"] == count["in_the_modules"] for count in numbers["parameters"].values())
    return {
        "i": "confirmed" if keeper["first_digit"]["i"] > keeper["later_digits"]["i"] else "corrected",
        "f": "confirmed" if keeper["kept_to_the_end"] > 0.5 else "corrected",
        "g": "confirmed" if lowest < 0 < highest else "corrected",
        "o": "completed",
        "parameters": "completed" if counted else "corrected",
    }


def _averages(
    model: SequenceClassifier, strings: Tensor
) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor, tuple[float, float]]:
    """Over strings [N, T], each [H]: gates at the first digit and at later ones (of g the size), and memory kept to the
    end; then the lowest and highest g at any step."""
    starts = [0] * len(strings) if model.padding is None else (strings != model.padding).int().argmax(1).tolist()
    seen: dict[str, list[Tensor]] = {name: [] for name in (*"ifgo", "kept", "range")}
    for string, start in zip(strings, starts, strict=True):
        values = {name: gate[0] for name, gate in gates(model, string[None, start:]).items()}
        for name in "ifgo":
            size = values[name].abs()
            seen[name].append(torch.stack([size[0], size[1:].mean(0)]))
        seen["kept"].append(values["f"][1:].prod(0))
        seen["range"].append(torch.stack(values["g"].aminmax()))
    mean = {name: torch.stack(seen[name]).mean(0) for name in (*"ifgo", "kept")}
    extremes = torch.stack(seen["range"])
    first, later = ({name: mean[name][row] for name in "ifgo"} for row in (0, 1))
    return first, later, mean["kept"], (extremes[:, 0].min().item(), extremes[:, 1].max().item())


def _count(inputs: int, units: int, outputs: int) -> dict[str, int]:
    """Parameters with one bias vector per gate and with two, by the formula; and what the modules hold."""
    layer, head = LSTM(inputs, units), torch.nn.Linear(units, outputs)
    return {
        "one_bias": parameter_count(inputs, units, outputs),
        "two_biases": parameter_count(inputs, units, outputs, torch_biases=True),
        "in_the_modules": sum(p.numel() for part in (layer, head) for p in part.parameters()),
    }
