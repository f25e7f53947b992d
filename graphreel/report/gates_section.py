"""Q1.2: what the four gates of a trained LSTM do, and how many parameters the cell has."""

from dataclasses import dataclass, field

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
from graphreel.report.wording import share
from graphreel.report.workspace import Workspace
from graphreel.rnn import LSTM, SequenceClassifier, gates, parameter_count

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
    first, later, kept = _averages(model, tokens[:STRINGS])
    keeper = int(kept.argmax())
    counts = {", ".join(map(str, cell)): _count(*cell) for cell in sizes.cells}
    right = all(count["two_biases"] == count["in_the_modules"] for count in counts.values())
    picture = workspace.picture(
        "gates",
        workspace.trainings.folder / f"palindrome-{length}-lstm" / "gates.png",
        "Maps of the four gates and the memory of the LSTM: one row per unit, one column per step of the string. The "
        f"forget gate is {later['f'].mean():.2f} in the mean, the input gate {later['i'].mean():.2f}, and the memory "
        "grows in many units from left to right.",
        f"The gates of the trained LSTM over one test string of the palindrome task ($T = {length}$): one row per "
        "unit, one column per symbol, with the mean over the units above each map. The answer is the first digit, so "
        "the memory has to take it in at the first step and keep it to the last.",
        wide=True,
    )
    rows = [
        [f"${name}$", _MEANING[name]]
        + [f"{part[name][unit].mean():.2f}" for unit in (slice(None), keeper) for part in (first, later)]
        for name in "ifgo"
    ]
    own = {name: (first[name][keeper].item(), later[name][keeper].item()) for name in "ifgo"}
    takes_in, keeps = own["i"][0] > own["i"][1], kept[keeper].item() > 0.5
    signed = first["lowest"].item() < 0 < first["highest"].item()
    return Answer(
        "completed",
        f"The report's reading of $i$, $f$ and $g$ {'holds' if takes_in and keeps and signed else 'does not hold'} in "
        "a trained network; it leaves out $o$, which shows the memory, and the number of parameters.",
        [
            Finding(
                "i",
                "confirmed" if takes_in else "corrected",
                f"In the unit that keeps its memory longest (number {keeper}) it lets in {own['i'][0]:.2f} of the "
                f"candidate at the first digit, which is the answer, and {own['i'][1]:.2f} at a digit after it.",
            ),
            Finding(
                "f",
                "confirmed" if keeps else "corrected",
                f"It decides how much of the memory stays. In that unit {own['f'][1]:.2f} survives a step, so that "
                f"{kept[keeper]:.2f} of what the first digit left is there at the end; over all units it is "
                f"{kept.mean():.2f}.",
            ),
            Finding(
                "g",
                "confirmed" if signed else "corrected",
                "Alone of the four it can be negative, so that a memory can be written both ways: from "
                f"{first['lowest']:.2f} to {first['highest']:.2f} over units and strings.".replace("-", "−"),
            ),
            Finding(
                "o",
                "completed",
                f"It decides how much of the memory is shown, {later['o'].mean():.2f} on average over all units: a "
                "memory can be kept without being heard at every step.",
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
                f"The gates of the trained network in the mean over {STRINGS} test strings (of $g$: of $|g|$)",
                [
                    "gate",
                    "what it is",
                    "first digit, all units",
                    "later digits, all units",
                    f"first digit, unit {keeper}",
                    f"later digits, unit {keeper}",
                ],
                rows,
            ),
            Table(
                "Parameters of the cell with its output layer. `torch.nn.LSTM` and `rnn.LSTM` hold a second bias "
                "vector for every gate, $4 N_h$ numbers more",
                ["inputs, units, outputs", "by the formula", "with the second bias", "counted in the modules"],
                [[size, *(f"{number:,}" for number in count.values())] for size, count in counts.items()],
            ),
            Text(
                f"The network answers {share(learned.metrics['test_accuracy']['mean'])} of the held-out strings "
                "rightly; it is the one that Q1.3 trains."
            ),
        ],
        {
            "first_digit": {name: first[name].mean().item() for name in "ifgo"},
            "later_digits": {name: later[name].mean().item() for name in "ifgo"},
            "longest_memory": {"unit": keeper, "kept_to_the_end": kept[keeper].item(), "gates_first_and_later": own},
            "parameters": counts,
        },
        {sizes.palindromes.command(length, "lstm"): "Trains the network, and writes the picture to `gates.png`:"},
        f"{sizes.palindromes.hidden} units, palindromes of $T = {length}$.",
    )


def _averages(model: SequenceClassifier, strings: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    """Averages over strings [N, T], each [H]: gates at the first digit and at later ones, memory kept to the end.

    Of g it is the size; the first dictionary also holds the lowest and highest g at any step.
    """
    seen: dict[str, list[Tensor]] = {name: [] for name in ("i", "f", "g", "o", "kept", "range")}
    for string, start in zip(strings, first_symbols(strings, model), strict=True):
        values = {name: gate[0] for name, gate in gates(model, string[None, int(start) :]).items()}
        for name in "ifgo":
            size = values[name].abs()
            seen[name].append(torch.stack([size[0], size[1:].mean(0)]))
        seen["kept"].append(values["f"][1:].prod(0))
        seen["range"].append(torch.stack(values["g"].aminmax()))
    mean = {name: torch.stack(seen[name]).mean(0) for name in ("i", "f", "g", "o", "kept")}
    extremes = torch.stack(seen["range"])
    first = {name: mean[name][0] for name in "ifgo"} | {"lowest": extremes[:, 0].min(), "highest": extremes[:, 1].max()}
    return first, {name: mean[name][1] for name in "ifgo"}, mean["kept"]


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
    "does the cell have?",
    equations=(
        Equation(
            "g_t = \\tanh(W_{gx} x_t + W_{gh} h_{t-1} + b_g)\n"
            "i_t = \\sigma(W_{ix} x_t + W_{ih} h_{t-1} + b_i)\n"
            "f_t = \\sigma(W_{fx} x_t + W_{fh} h_{t-1} + b_f)\n"
            "o_t = \\sigma(W_{ox} x_t + W_{oh} h_{t-1} + b_o)",
            "Three gates between 0 and 1, and a candidate between −1 and 1:",
        ),
        Equation(
            "c_t = g_t \\odot i_t + c_{t-1} \\odot f_t\nh_t = \\tanh(c_t) \\odot o_t",
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
    expected={"quick": 5, "full": 150},
)
