"""Q1.2: what the four gates of a trained LSTM do, and how many parameters the cell has."""

from dataclasses import dataclass, field
from statistics import fmean

import torch
from torch import Tensor

from graphreel.report.answer import Answer, Finding, Table, Text
from graphreel.report.section import Equation, Section
from graphreel.report.sequence_runs import (
    FULL,
    QUICK,
    PalindromeSizes,
    first_symbols,
    learn_palindromes,
    trained_on_palindromes,
)
from graphreel.report.workspace import Workspace
from rnn import LSTM, SequenceClassifier, gates, parameter_count

STRINGS = 100  # test strings over which the gates are averaged
_MEANING = {
    "i": "how much of the candidate enters the memory",
    "f": "how much of the memory stays",
    "g": "the candidate for the memory, between −1 and 1",
    "o": "how much of the memory is shown to the next step and to the output",
}


@dataclass(frozen=True)
class Sizes:
    """The training whose gates are looked at (that of Q1.3), and the cells (inputs, units, outputs) to count."""

    palindromes: PalindromeSizes
    cells: list[list[int]] = field(default_factory=lambda: [[1, 1, 1], [64, 256, 2], [87, 128, 87]])


def run(sizes: Sizes, workspace: Workspace) -> Answer:
    length = sizes.palindromes.lengths[-1]
    learned = learn_palindromes(workspace, sizes.palindromes, length, "lstm")
    model, tokens = trained_on_palindromes(workspace, length, "lstm")
    means = _means(model, tokens[:STRINGS])
    counts = {", ".join(map(str, cell)): _count(*cell) for cell in sizes.cells}
    right = all(count["two_biases"] == count["in_the_modules"] for count in counts.values())
    picture = workspace.picture(
        "gates",
        workspace.trainings.folder / f"palindrome-{length}-lstm" / "gates.png",
        "Maps of the four gates and the memory of the LSTM: one row per unit, one column per step of the string.",
        f"The gates of the trained LSTM over one test string of the palindrome task ($T = {length}$): one row per "
        f"unit, one "
        "column per symbol, with the mean over the units above each map. The answer is the first digit, so the memory "
        "has to "
        "take it in at the first step and keep it to the last.",
        wide=True,
    )
    rows = [[f"${name}$", _MEANING[name], f"{first:.2f}", f"{later:.2f}"] for name, (first, later) in means.items()]
    i, f, g, o = (means[name] for name in "ifgo")
    return Answer(
        "completed",
        "The report's reading of $i$, $f$ and $g$ holds in a trained network; it leaves out $o$ and the number of "
        "parameters, which is $4(N_{in} N_h + N_h^2 + N_h) + N_h N_{out} + N_{out}$.",
        [
            Finding(
                "i",
                "confirmed",
                f"On average over units and strings it stands at {i[0]:.2f} at the first digit, which is the answer, "
                f"and at "
                f"{i[1]:.2f} at the digits after it.",
            ),
            Finding(
                "f",
                "confirmed",
                f"At the digits after the first it stands at {f[1]:.2f} on average: that share of the memory survives "
                f"a step.",
            ),
            Finding(
                "g",
                "confirmed",
                f"The only gate-like part that can be negative; its size is {g[0]:.2f} at the first digit and "
                f"{g[1]:.2f} "
                "after it (mean of $|g|$).",
            ),
            Finding(
                "o",
                "completed",
                f"It decides how much of the memory is shown: {o[1]:.2f} on average. Without it the memory could not "
                f"be kept "
                "without being heard at every step.",
            ),
            Finding(
                "parameters",
                "completed",
                "The formula, with the second bias vector that the modules hold, counts them rightly at every size "
                "below."
                if right
                else "The formula and the modules' own count disagree: see the table.",
            ),
        ],
        [
            picture,
            Table(
                f"The gates of the trained network, mean over units and {STRINGS} test strings (of $g$: the mean of "
                f"$|g|$)",
                ["gate", "what it is", "at the first digit", "at the digits after it"],
                rows,
            ),
            Table(
                "Parameters of the cell with its output layer. `torch.nn.LSTM` and `rnn.LSTM` hold a second bias "
                "vector for "
                "every gate, $4 N_h$ numbers more",
                ["inputs, units, outputs", "by the formula", "with the second bias", "counted in the modules"],
                [[size, *(f"{number:,}" for number in count.values())] for size, count in counts.items()],
            ),
            Text(
                f"The network answers {learned.metrics['test_accuracy']['mean']:.3f} of the held-out strings rightly; "
                f"it is the "
                "one that Q1.3 trains."
            ),
        ],
        {"gates": {name: {"first_digit": a, "after_it": b} for name, (a, b) in means.items()}, "parameters": counts},
        {sizes.palindromes.command(length, "lstm"): "Trains the network, and writes the picture to `gates.png`:"},
        f"{sizes.palindromes.hidden} units, palindromes of $T = {length}$.",
    )


def _means(model: SequenceClassifier, strings: Tensor) -> dict[str, tuple[float, float]]:
    """Per gate: its mean at the first digit of each string [N, T] and at the digits after it."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in "ifgo"}
    for string, first in zip(strings, first_symbols(strings, model), strict=True):
        values = gates(model, string[None, int(first) :])
        for name, seen in found.items():
            gate = values[name][0].abs() if name == "g" else values[name][0]
            seen.append((gate[0].mean().item(), gate[1:].mean().item()))
    return {name: (fmean(a for a, _ in seen), fmean(b for _, b in seen)) for name, seen in found.items()}


def _count(inputs: int, units: int, outputs: int) -> dict[str, int]:
    """Parameters with one bias vector per gate and with two, by the formula; and what the modules hold."""
    layer, head = LSTM(inputs, units), torch.nn.Linear(units, outputs)
    return {
        "one_bias": parameter_count(inputs, units, outputs),
        "two_biases": parameter_count(inputs, units, outputs, torch_biases=True),
        "in_the_modules": sum(p.numel() for part in (layer, head) for p in part.parameters()),
    }


SECTION = Section(
    id="Q1.2",
    title="The four gates of an LSTM",
    question="What does each gate of an LSTM do, why does it have its activation function, and how many parameters "
    "does the "
    "cell have?",
    equations=(
        Equation(
            "g_t = \\tanh(W_{gx} x_t + W_{gh} h_{t-1} + b_g)\n"
            "i_t = \\sigma(W_{ix} x_t + W_{ih} h_{t-1} + b_i), \\quad f_t = \\sigma(W_{fx} x_t + W_{fh} h_{t-1} + "
            "b_f)\n"
            "o_t = \\sigma(W_{ox} x_t + W_{oh} h_{t-1} + b_o)",
            "Three gates between 0 and 1, and a candidate between −1 and 1:",
        ),
        Equation(
            r"c_t = g_t \odot i_t + c_{t-1} \odot f_t, \quad h_t = \tanh(c_t) \odot o_t",
            "The memory, and what is shown of it:",
        ),
        Equation(
            r"4 (N_{in} N_h + N_h^2 + N_h) + N_h N_{out} + N_{out}",
            "Four times an input matrix, a recurrent matrix and a bias, then the output layer:",
        ),
    ),
    claims={
        "i": "How important the input is.",
        "f": "How important the past state is.",
        "g": "A $\\tanh$ of the potential memory that updates the state; the sigmoid of the others chooses how much "
        "passes.",
        "o": "",
        "parameters": "",
    },
    run=run,
    sizes={"quick": Sizes(QUICK), "full": Sizes(FULL)},
    expected={"quick": 20, "full": 900},
)
