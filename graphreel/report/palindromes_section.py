"""Q1.3 and Q1.4: an LSTM and a peephole LSTM learn to read palindromes."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from graphreel.experiments.sequence_settings import PALINDROME_FORGET_BIAS
from graphreel.report.answer import Answer, Block, Figure, Finding, Table, Text
from graphreel.report.section import Equation, Section
from graphreel.report.sequence_runs import (
    FULL,
    QUICK,
    Learning,
    PalindromeSizes,
    learn_palindromes,
    loss_before_training,
)
from graphreel.report.wording import listed, many, share
from graphreel.report.workspace import Workspace
from graphreel.training.curves import draw_curves
from graphreel.training.summary import percent


@dataclass(frozen=True)
class Sizes:
    """The trainings."""

    palindromes: PalindromeSizes


def run_lstm(sizes: Sizes, workspace: Workspace) -> Answer:
    learned = _learn(workspace, sizes, "lstm")
    plain = _learn(workspace, sizes, "lstm", plain=True)
    short, long = (plain[length] for length in (min(plain), max(plain)))
    solved = all(_perfect(one) for one in [*learned.values(), *plain.values()])
    chance = short.chance
    slower, rougher = _mean_step(long, sizes) > _mean_step(short, sizes), long.setbacks > short.setbacks
    beside = _beside_plain(workspace, learned, plain[max(plain)])
    return Answer(
        "corrected",
        f'{_reached(learned, "The LSTM")} The early "0.6" is no learning: always answering 1 is right on '
        f"{share(chance)} of the strings.",
        [
            Finding(
                "a",
                "confirmed" if solved else "corrected",
                f"{_accuracies(learned)} With forget gates as the report had them: "
                f"{_by_length(plain, lambda one: percent(one.metrics['test_accuracy']))}.",
            ),
            Finding(
                "b",
                "corrected",
                f"It is the share of the commoner label, {share(chance)}: a network that has learned nothing but to "
                "say 1 stands there, not at 0. Trained as the report did, it is right on "
                f"{_by_length(plain, lambda one: share(one.first_accuracy))} of the strings at the first evaluation "
                f"(step {sizes.palindromes.evaluate_every}), and within 5 points of the chance level for the last time "
                f"at {_by_length(plain, _plateau)}, in the mean over the seeds. Only then is anything remembered.",
            ),
            Finding(
                "c",
                "confirmed" if slower and rougher else "corrected",
                f"Trained as the report did, it makes no error from step {_by_length(plain, _steps)}: the longer "
                f"strings {'take longer' if slower else 'do not take longer here'}. On the way the accuracy falls back "
                f"by {_by_length(plain, lambda one: f'{100 * one.setbacks:.1f}')} points in all: "
                f"{'more' if rougher else 'no more'} on the longer ones. With the forget gates open no error from step "
                f"{_by_length(learned, _steps)}.",
            ),
        ],
        [*_figures(workspace, learned, "LSTM"), _table(learned), *beside, _why_chance(short)],
        {
            **{f"T={length}": one.numbers() for length, one in learned.items()},
            "as_the_report": {f"T={length}": one.numbers() for length, one in plain.items()},
        },
        {
            sizes.palindromes.command(n, "lstm"): f"Ends with {percent(one.metrics['test_accuracy'])}:"
            for n, one in learned.items()
        }
        | {
            sizes.palindromes.command(n, "lstm", plain=True): "With forget gates as the report had them, ends with "
            f"{percent(one.metrics['test_accuracy'])}:"
            for n, one in plain.items()
        },
        _sizes(sizes.palindromes),
    )


def run_peephole(sizes: Sizes, workspace: Workspace) -> Answer:
    learned = _learn(workspace, sizes, "peephole")
    beside = _learn(workspace, sizes, "lstm")
    solved = all(_perfect(one) for one in learned.values())
    lengths = sizes.palindromes.lengths
    longest = max(lengths)
    plain = learn_palindromes(workspace, sizes.palindromes, longest, "peephole", plain=True)
    untrained = {
        cell: {length: loss_before_training(length, cell, sizes.palindromes.untrained) for length in lengths}
        for cell in ("peephole", "lstm")
    }
    starts = [f"{untrained['peephole'][n]:.3f} against {untrained['lstm'][n]:.3f} ($T = {n}$)" for n in lengths]
    ends = [f"{_steps(learned[n])} against {_steps(beside[n])} ($T = {n}$)" for n in lengths]
    every = sizes.palindromes.evaluate_every
    firsts = [f"{learned[n].first_loss:.3f} against {beside[n].first_loss:.3f} ($T = {n}$)" for n in lengths]
    held = all(untrained["peephole"][n] < untrained["lstm"][n] for n in lengths)
    return Answer(
        "confirmed" if solved and held else "corrected",
        f"{_reached(learned, 'The peephole LSTM')} "
        + (
            "Its loss starts lower than the LSTM's."
            if held
            else "That its loss starts lower than the LSTM's does not hold."
        ),
        [
            Finding(
                "a",
                "confirmed" if solved else "corrected",
                f"{_accuracies(learned)} It makes no error on the validation strings from step {listed(ends)}, the "
                "LSTM of Q1.3 being the second.",
            ),
            Finding(
                "b",
                "confirmed" if held else "corrected",
                f"Loss before the first step, {FULL.hidden} units, mean over "
                f"{many(sizes.palindromes.untrained, 'network')}: {listed(starts)}, the LSTM being the second. In the "
                f"mean of the first {every} steps of training: {listed(firsts)}.",
            ),
        ],
        [
            *_figures(workspace, learned, "Peephole LSTM"),
            _table(learned),
            *_beside_plain(workspace, learned, plain),
            Text(
                "In this variant the memory $c_{t-1}$ takes the place of $h_{t-1}$ in every gate and the candidate "
                "sees the "
                "input alone, so $h$ never recurs. The form in the literature (`--cell peephole-gers`) keeps $h_{t-1}$ "
                "and adds "
                "a diagonal connection from the memory."
            ),
        ],
        {
            **{f"T={n}": {**one.numbers(), "lstm": beside[n].numbers()} for n, one in learned.items()},
            "as_the_report": {f"T={longest}": plain.numbers()},
            "loss_before_training": untrained,
        },
        {
            sizes.palindromes.command(n, "peephole"): f"Ends with {percent(one.metrics['test_accuracy'])}:"
            for n, one in learned.items()
        }
        | {
            sizes.palindromes.command(longest, "peephole", plain=True): "With forget gates as the report had them, "
            f"ends with {percent(plain.metrics['test_accuracy'])}:"
        },
        _sizes(sizes.palindromes),
    )


def _beside_plain(workspace: Workspace, learned: dict[int, Learning], plain: Learning) -> list[Block]:
    """The one change to the report's settings, with and without, on the longest strings."""
    length = max(learned)
    opened = learned[length]
    names = {"forget gates open": opened, "as the report": plain}
    rows = [
        {"seed": row["seed"], "step": row["step"], name: row["val_accuracy"]}
        for name, one in names.items()
        for row in one.history
    ]
    path = draw_curves(
        rows,
        {"validation accuracy": tuple(names)},
        workspace.folder / "plain.svg",
        f"T = {length}",
        {"validation accuracy": {"chance (always 1)": opened.chance}},
    )
    text = Text(
        "One thing differs from the report's settings. The first digit has to outlast the whole string, and a forget "
        "gate that starts half open halves memory and gradient at every step; here its bias starts at "
        f"{PALINDROME_FORGET_BIAS:g}. Without that change, on $T = {length}$: "
        f"{percent(plain.metrics['test_accuracy'])}, no error from step {_steps(plain)}; with it "
        f"{percent(opened.metrics['test_accuracy'])}, from step {_steps(opened)}."
    )
    figure = workspace.picture(
        "plain",
        path,
        f"Validation accuracy over the training steps on T = {length}, with forget gates that start open or half open.",
        "With the forget gates open at the start, and as the report had them: every seed thin, their mean thick.",
    )
    return [text, figure]


def _learn(workspace: Workspace, sizes: Sizes, cell: str, plain: bool = False) -> dict[int, Learning]:
    chosen = sizes.palindromes
    return {length: learn_palindromes(workspace, chosen, length, cell, plain) for length in chosen.lengths}


def _perfect(one: Learning) -> bool:
    return one.metrics["test_accuracy"] == {"mean": 1.0, "std": 0.0}


def _steps(one: Learning) -> str:
    seeds = len(one.metrics["seeds"])
    if not one.solved:
        return "never"
    mean = f"{fmean(one.solved):.0f}"
    return mean if len(one.solved) == seeds else f"{mean} ({len(one.solved)} of {seeds} seeds)"


def _plateau(one: Learning) -> str:
    return f"step {one.plateau:.0f}" if one.plateau else "no step"


def _mean_step(one: Learning, sizes: Sizes) -> float:
    """The step from which there is no error, in the mean over seeds; of a seed that never got there, the last."""
    missing = len(one.metrics["seeds"]) - len(one.solved)
    return fmean([*one.solved, *[sizes.palindromes.steps] * missing])


def _reached(learned: dict[int, Learning], who: str) -> str:
    lengths = listed([f"$T = {length}$" for length in learned])
    if all(_perfect(one) for one in learned.values()):
        return f"{who} reads every held-out palindrome of {lengths} rightly, with every seed."
    return f"{who} does not read every held-out palindrome of {lengths} rightly with every seed."


def _accuracies(learned: dict[int, Learning]) -> str:
    said = _by_length(learned, lambda one: percent(one.metrics["test_accuracy"]))
    seeds = len(next(iter(learned.values())).metrics["seeds"])
    others = "" if set(learned) == set(FULL.lengths) else " ($T = 10$ and $T = 20$ are in the full report.)"
    return f"On strings that the training never showed, over {many(seeds, 'seed')}: {said}.{others}"


def _by_length(learned: dict[int, Learning], say: Callable[[Learning], str]) -> str:
    return listed([f"{say(one)} ($T = {length}$)" for length, one in learned.items()])


def _figures(workspace: Workspace, learned: dict[int, Learning], title: str) -> list[Figure]:
    figures = []
    names = {length: f"T = {length}" for length in learned}
    chance = next(iter(learned.values())).chance
    panels = (("val_accuracy", "validation accuracy"), ("train_loss", "training loss (nats)"))
    for column, label in panels:
        rows = [
            {"seed": row["seed"], "step": row["step"], names[length]: row[column]}
            for length, one in learned.items()
            for row in one.history
        ]
        path = draw_curves(
            rows,
            {label: tuple(names.values())},
            workspace.folder / f"{column}.svg",
            title,
            {"validation accuracy": {"chance (always 1)": chance}},
        )
        ends = "rising to 1" if column == "val_accuracy" else "falling towards 0"
        over = "and the chance level dashed" if column == "val_accuracy" else "as a mean since the evaluation before"
        figures.append(
            workspace.picture(
                column,
                path,
                f"{title}: {label} over the training steps for {listed(list(names.values()))}, {ends} after a plateau.",
                f"{label.capitalize()}: every seed thin, their mean thick with its deviation, {over}.",
            )
        )
    return figures


def _table(learned: dict[int, Learning]) -> Table:
    rows = []
    for length, one in learned.items():
        seconds = fmean(row["seconds"] for row in one.metrics["seeds"])
        said = [percent(one.metrics["test_accuracy"]), share(one.chance), f"{one.plateau:.0f}", _steps(one)]
        rows.append([str(length), *said, f"{one.first_loss:.3f}", f"{seconds:.1f} s"])
    head = [
        "$T$",
        "test accuracy",
        "chance",
        "last step near chance",
        "no error from step",
        "first loss",
        "time a seed",
    ]
    return Table(f"Mean over {many(len(one.metrics['seeds']), 'seed')}", head, rows)


def _why_chance(one: Learning) -> Text:
    return Text(
        "Why two thirds? The last digit of a palindrome is its first. Binary numbers have no leading zeros, so a half "
        "string starts with 1 unless its first number is 0 of the nine: 8/9. Every other one is turned round and "
        "starts with the last bit of a number, which is 1 for four of the nine: 4/9. The mean of the two is 2/3; in "
        f"the strings of this run it is {share(one.chance)}."
    )


def _sizes(sizes: PalindromeSizes) -> str:
    lengths = listed([f"$T = {length}$" for length in sizes.lengths])
    said = (
        f"{many(sizes.seeds, 'seed')}, {sizes.hidden} units, batches of 256, Adam with {sizes.learning_rate:g}, at "
        f"most {sizes.steps} steps, {lengths}"
    )
    if sizes == FULL:
        return f"{said}: the report's settings, but for the forget gates."
    return f"{said}. The report: {FULL.hidden} units, a learning rate of {FULL.learning_rate:g}, $T = 10$ and $T = 20$."


_TASK = Equation(
    "x_1 x_2 \\dots x_n \\text{ with } x_{n+1-k} = x_k\nx_1 \\dots x_{n-1} \\mapsto x_n",
    "The task: all of a binary palindrome but its last digit is read, and the last is asked. $T$ is how many numbers "
    "from 0 to 8 the string was made of:",
)

LSTM_SECTION = Section(
    id="Q1.3",
    title="An LSTM reads palindromes",
    question="Does an LSTM learn to answer with the last digit of a palindrome, how fast, and how does the length "
    "matter?",
    equations=(_TASK,),
    claims={
        "a": "Both lengths, $T = 10$ and $T = 20$, reach an accuracy of 1.0 near step 800 (3 seeds, deviation 0.0).",
        "b": "The accuracy starts at 0 and jumps quickly to 0.6.",
        "c": "$T = 20$ converges slower and oscillates more.",
    },
    run=run_lstm,
    sizes={"quick": Sizes(QUICK), "full": Sizes(FULL)},
    expected={"quick": 20, "full": 2400},
)

PEEPHOLE_SECTION = Section(
    id="Q1.4",
    title="The same with peepholes",
    question="Does an LSTM whose gates look at the memory instead of the output learn the same task, and how does it "
    "compare?",
    equations=(
        Equation(
            "i_t, f_t, o_t = \\sigma(W x_t + V c_{t-1} + b)\n"
            "g_t = \\sigma(W_{cx} x_t + b_c)\n"
            "c_t = g_t \\odot i_t + c_{t-1} \\odot f_t, \\quad h_t = \\tanh(c_t) \\odot o_t",
            "The variant that the report trained; the memory takes the place of the last output ($i$, $f$ and $o$ have "
            "a $W$, $V$ and $b$ each):",
        ),
        Equation(
            "i_t, f_t = \\sigma(W x_t + U h_{t-1} + p \\odot c_{t-1} + b)\n"
            r"o_t = \sigma(W_o x_t + U_o h_{t-1} + p_o \odot c_t + b_o)",
            "The variant of the literature (Gers and others, 2002), with diagonal peepholes beside the last output:",
        ),
    ),
    claims={
        "a": "The same final result as the LSTM, near step 800.",
        "b": "Its loss starts lower than the LSTM's.",
    },
    run=run_peephole,
    sizes={"quick": Sizes(QUICK), "full": Sizes(FULL)},
    expected={"quick": 17, "full": 480},
)
