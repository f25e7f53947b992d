"""Q1.1: the gradients of the vanilla RNN, and why they vanish or explode."""

import statistics
from dataclasses import dataclass
from typing import Any

from graphreel.inspect.gradients import check
from graphreel.report.answer import Answer, Figure, Finding, Table, Text
from graphreel.report.section import Equation, Section
from graphreel.report.wording import listed, power
from graphreel.report.workspace import Workspace
from graphreel.rnn import draw_gradient_norms, gradient_norms
from graphreel.rnn.analysis.gradient_norms import GradientNorms


@dataclass(frozen=True)
class Sizes:
    """`problems` random networks are checked; the picture takes `steps`, `hidden`, `batch` and `training_steps`."""

    problems: int = 20
    steps: int = 100
    hidden: int = 32
    batch: int = 32
    training_steps: int = 200


def run(sizes: Sizes, workspace: Workspace) -> Answer:
    checks = [check(seed) for seed in range(sizes.problems)]
    measured = gradient_norms(sizes.steps, sizes.hidden, sizes.batch, sizes.training_steps)
    largest = _largest(checks)
    off = {name: statistics.median(one["report_relative_error"][name] for one in checks) for name in ("W_ph", "W_hh")}
    worst = max(max(row) for row in largest.values())
    numbers = {
        "closed_form_minus_autograd": {
            name: {"last_step": row[0], "every_step": row[1]} for name, row in largest.items()
        },
        "report_relative_error": off,
        "gradient_at_largest_lag_over_lag_0": {_key(one): _fade(one) for one in measured},
        "accuracy_after_training": {_key(one): one.accuracy for one in measured if one.trained},
        "bound_holds": _bound_holds(measured),
        "steps": sizes.steps,
    }
    return Answer(
        "corrected",
        f"The right gradients agree with autograd to {power(worst)} in float64. The report's two formulas do not "
        "agree, and the product of Jacobians that they leave out is why gradients vanish or explode.",
        _findings(off, largest, measured),
        [_check_table(largest, off, sizes.problems), *_pictures(measured, sizes, workspace)],
        numbers,
        {"graphreel rnn gradients --out gradients.png": "The check, the report's formula and the picture:"},
        f"Checked on {sizes.problems} random networks (8 sequences of 12 steps, 3 inputs, 5 units and classes). The "
        f"picture: {sizes.steps} steps, {sizes.hidden} units, {sizes.training_steps} steps of training.",
    )


def _findings(off: dict[str, float], largest: dict[str, list[float]], measured: list[GradientNorms]) -> list[Finding]:
    fade = {(one.kind, one.setting): _fade(one) for one in measured if not one.trained}
    lag = int(measured[0].lag[-1])
    return [
        Finding(
            "a",
            "corrected",
            f"The formula's error is {power(off['W_ph'])} times as large as the gradient (the median network): the "
            "derivative of the softmax in it is wrong. With $e\\, h_T^\\top$ no entry is off by more than "
            f"{power(max(largest['W_ph']))}.",
        ),
        Finding(
            "b",
            "corrected",
            f"Its error is {power(off['W_hh'])} times as large as the gradient: besides the softmax, $(1-h)h$ is the "
            "derivative of the sigmoid, where $\\tanh$ has $1-h^2$, and the Jacobians between steps $k$ and $T$ are "
            f"missing. With them no entry is off by more than {power(max(largest['W_hh']))}.",
        ),
        Finding(
            "c",
            "completed",
            f"True, but the terms of the sum are not alike. {lag} steps back the gradient of an untrained RNN is "
            f"{power(fade['rnn', 0.5])} times as large as at the last step where $W_{{hh}}$ is 0.5 times an orthogonal "
            f"matrix, {power(fade['rnn', 1.0])} times where it is an orthogonal matrix, and "
            f"{power(fade['rnn', 1.5])} times where it is 1.5 times one. It vanishes or grows, of which the report "
            "says nothing.",
        ),
    ]


def _check_table(largest: dict[str, list[float]], off: dict[str, float], problems: int) -> Table:
    rows = []
    for name, (last, every) in largest.items():
        letter, index = name.split("_")
        said = power(off[name]) if name in off else "(not stated)"
        rows.append([f"${letter}_{{{index}}}$", power(last), power(every), said])
    head = ["gradient of", "closed form − autograd", "the same, loss at every step", "the report's relative error"]
    return Table(f"Largest difference of any entry over {problems} random networks, in float64", head, rows)


def _pictures(measured: list[GradientNorms], sizes: Sizes, workspace: Workspace) -> list[Figure | Table | Text]:
    holds = "holds at every lag" if _bound_holds(measured) else "does not hold at every lag"
    picture = workspace.figure(
        "gradient-norms",
        draw_gradient_norms(measured),
        "Four panels of gradient norms on a log scale against the lag. At initialisation the RNN's falls steeply for "
        "radius 0.5 and rises for 1.5, below dotted bounds; the LSTM's falls the slower the larger its forget bias.",
        f"The gradient on its way back through {sizes.steps} steps: an RNN (above) and an LSTM (below), before and "
        f"after training to remember the first of the inputs. The dotted bound {holds}.",
        wide=True,
    )
    text = Text(
        "An LSTM's memory has a path of its own back through time, and the factor on it is the forget gate $f$: the "
        "larger its bias, the further the gradient reaches. Training moves all of these numbers. "
        f"{_learned(measured, sizes.training_steps)}"
    )
    rows = [[_name(one), power(_fade(one)), f"{one.accuracy:.2f}"] for one in measured if one.trained]
    head = ["network", f"gradient at lag {sizes.steps - 1} over lag 0", "accuracy (chance is 0.25)"]
    table = Table(f"After {sizes.training_steps} steps of training", head, rows)
    return [picture, text, table] if rows else [picture, text]


def _learned(measured: list[GradientNorms], steps: int) -> str:
    """Which networks learned the task, and how far their gradients reached when they began."""
    fade = {(one.kind, one.setting): _fade(one) for one in measured if not one.trained}
    those = [one for one in measured if one.trained and one.accuracy > 0.9]
    if not those:
        return f"In {steps} steps none of the networks learns the task."
    least = min(fade[one.kind, one.setting] for one in those)
    names = listed([_name(one) for one in those])
    return (
        f"In {steps} steps the task is learned by {names}; the gradient at the first input was there, at the start, at "
        f"least {power(least)} times that at the last."
    )


def _largest(checks: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Per weight: the largest difference with the loss at the last step, and at every step."""
    kinds = ("last_step", "every_step")
    names = checks[0]["largest_difference"]["last_step"]
    return {name: [max(one["largest_difference"][kind][name] for one in checks) for kind in kinds] for name in names}


def _fade(one: GradientNorms) -> float:
    return (one.norm[-1] / one.norm[0]).item()


def _bound_holds(measured: list[GradientNorms]) -> bool:
    return all(bool((one.norm <= one.bound * (1 + 1e-9)).all()) for one in measured if one.bound is not None)


def _name(one: GradientNorms) -> str:
    return f"RNN, $\\rho = {one.setting:g}$" if one.kind == "rnn" else f"LSTM, forget bias {one.setting:g}"


def _key(one: GradientNorms) -> str:
    setting = f"rho {one.setting:g}" if one.kind == "rnn" else f"forget bias {one.setting:g}"
    return f"{one.kind} {setting}, {'trained' if one.trained else 'initial'}"


SECTION = Section(
    id="Q1.1",
    title="Gradients through time",
    question="What are the gradients of a vanilla RNN's loss with respect to its output weights and its recurrent "
    "weights, and what does the second one's dependence on the past do in training?",
    equations=(
        Equation(
            r"h_t = \tanh(W_{hx} x_t + W_{hh} h_{t-1} + b_h)"
            "\n"
            r"p_t = W_{ph} h_t + b_p, \quad \hat y_t = \operatorname{softmax}(p_t)"
            "\n"
            r"L = -\sum_k y_k \log\, \hat y_{T,k}",
            "The network, with its loss at the last step:",
        ),
        Equation(
            r"\frac{\partial L}{\partial W_{ph}} = e\, h_T^\top, \quad e = \hat y_T - y",
            "The output weights see the last state alone:",
        ),
        Equation(
            r"\frac{\partial L}{\partial W_{hh}} = \sum_{k=1}^{T} d_k\, h_{k-1}^\top"
            "\n"
            r"d_T = (1 - h_T^2) \odot W_{ph}^\top e"
            "\n"
            r"d_k = (1 - h_k^2) \odot W_{hh}^\top d_{k+1}",
            "The recurrent weights take a term from every step:",
        ),
        Equation(
            r"\left\lVert \frac{\partial L}{\partial h_k} \right\rVert \le q^{\,T-k} \left\lVert \frac{\partial L}"
            r"{\partial h_T} \right\rVert"
            "\n"
            r"q = \max |\tanh'| \cdot \sigma_{\max}(W_{hh})",
            "Each step back multiplies by one Jacobian more, so that the gradient is bounded by a power:",
        ),
    ),
    claims={
        "a": r"$\left[\frac{\partial L}{\partial W_{ph}}\right]_{ij} = -y\, \frac{1}{\operatorname{softmax}(p_i)}$ "
        r"$(\operatorname{softmax}(p_j) - \operatorname{softmax}(p_i))\, h_j$",
        "b": r"$\left[\frac{\partial L}{\partial W_{hh}}\right]_{ij} = \sum_t -y\, \frac{1}{\hat y "
        r"\operatorname{softmax}(p_i)}$ "
        r"$(\operatorname{softmax}(p_j) - \operatorname{softmax}(p_i))\, W_{ph}$ "
        r"$\frac{\partial h_j}{\partial W_{hh}} (1-h_j) h_j$",
        "c": "The second gradient depends on all steps up to $T$, through the sum.",
    },
    run=run,
    sizes={"quick": Sizes(training_steps=100), "full": Sizes(problems=200, hidden=64, training_steps=1000)},
    expected={"quick": 5, "full": 150},
)
