"""`graphreel rnn gradients`: the closed form against autograd, the report's formula, and the vanishing gradient."""

import statistics
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import typer
from torch import Tensor

from graphreel.core.atomic_files import write_json, write_whole
from graphreel.rnn import bptt_gradients, draw_gradient_norms, gradient_norms, report_gradients
from graphreel.rnn.analysis.gradient_norms import GradientNorms

_BATCH, _STEPS, _INPUTS, _HIDDEN = 8, 12, 3, 5  # as many classes as hidden units: the report's formula needs that


def problem(seed: int, every_step: bool) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Random weights, inputs and targets of a small vanilla RNN, in float64."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    weights = {
        "W_hx": draw(_HIDDEN, _INPUTS), "W_hh": draw(_HIDDEN, _HIDDEN) / _HIDDEN**0.5, "W_ph": draw(_HIDDEN, _HIDDEN),
        "b_h": draw(_HIDDEN), "b_p": draw(_HIDDEN),
    }  # fmt: skip
    shape = (_BATCH, _STEPS) if every_step else (_BATCH,)
    return weights, draw(_BATCH, _STEPS, _INPUTS), torch.randint(0, _HIDDEN, shape, generator=generator)


def autograd_gradients(weights: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
    """The same gradients by torch.autograd."""
    leaves = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    h = inputs.new_zeros(len(inputs), len(leaves["b_h"]))
    logits = []
    for x in inputs.unbind(1):
        h = torch.tanh(x @ leaves["W_hx"].T + h @ leaves["W_hh"].T + leaves["b_h"])
        logits.append(h @ leaves["W_ph"].T + leaves["b_p"])
    if targets.dim() == 1:
        loss = F.cross_entropy(logits[-1], targets)
    else:
        loss = F.cross_entropy(torch.stack(logits, 1).flatten(0, 1), targets.flatten())
    return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))


def check(seed: int = 0) -> dict[str, Any]:
    """Largest differences to autograd, the report's relative errors, and the steps' shares of the gradient of W_hh."""
    result: dict[str, Any] = {"largest_difference": {}}
    for name, every_step in (("last_step", False), ("every_step", True)):
        weights, inputs, targets = problem(seed, every_step)
        right = autograd_gradients(weights, inputs, targets)
        ours = bptt_gradients(weights, inputs, targets)
        result["largest_difference"][name] = {key: (ours[key] - right[key]).abs().max().item() for key in right}
    weights, inputs, targets = problem(seed, False)
    right = bptt_gradients(weights, inputs, targets, per_step=True)
    theirs = report_gradients(weights, inputs, targets)
    result["report_relative_error"] = {
        key: ((theirs[key] - right[key]).norm() / right[key].norm()).item() for key in theirs
    }
    result["share_of_step"] = right["W_hh_per_step"].flatten(1).norm(dim=1).tolist()
    return result


def checks(problems: int = 1, seed: int = 0) -> dict[str, Any]:
    """`check` on problems of the seeds from `seed` on: the largest differences, and the report's median errors."""
    found = [check(seed + number) for number in range(problems)]
    largest = {
        kind: {name: max(one["largest_difference"][kind][name] for one in found) for name in values}
        for kind, values in found[0]["largest_difference"].items()
    }
    errors = {
        name: statistics.median(one["report_relative_error"][name] for one in found)
        for name in found[0]["report_relative_error"]
    }
    return {
        "largest_difference": largest,
        "report_relative_error": errors,
        "share_of_step": found[0]["share_of_step"],
    }


def show(out: Path, problems: int, seed: int, quiet: bool, **sizes: int) -> None:
    """Print the check, draw the picture, and write the numbers behind both beside it; `sizes` as `gradient_norms`.

    Raises:
        OSError: the picture cannot be written.
    """
    checked = checks(problems, seed)
    measured = gradient_norms(seed=seed, **sizes)
    figure = draw_gradient_norms(measured)
    write_whole(out, lambda beside: figure.savefig(beside, dpi=150))
    beside = write_json(out.with_suffix(".json"), {"check": checked, "norms": [as_row(one) for one in measured]})
    if not quiet:
        typer.echo(_table(checked, measured))
        typer.echo(f"{out}\n{beside}")


def as_row(one: GradientNorms) -> dict[str, Any]:
    """For a JSON file."""
    return {
        "kind": one.kind, "setting": one.setting, "trained": one.trained, "accuracy": one.accuracy,
        "lag": one.lag.tolist(), "norm": one.norm.tolist(), "bound": None if one.bound is None else one.bound.tolist(),
    }  # fmt: skip


def _table(checked: dict[str, Any], measured: list[GradientNorms]) -> str:
    last, every = checked["largest_difference"]["last_step"], checked["largest_difference"]["every_step"]
    lines = ["closed form against autograd, largest difference (float64; 1e-12 is the bar)"]
    lines.append(f"  {'':8}{'loss at the last step':>24}{'loss at every step':>22}")
    lines += [f"  {name:8}{last[name]:>24.1e}{every[name]:>22.1e}" for name in last]
    lines.append("the report's formula, relative error (0 would be right)")
    lines += [f"  {name:8}{error:>24.2f}" for name, error in checked["report_relative_error"].items()]
    lines.append("  softmax: (y^_j - y^_i) stands where the derivative is y^_i (delta_ij - y^_j)")
    lines.append("  tanh: (1 - h) h, the sigmoid's derivative, stands where 1 - h^2 belongs")
    lines.append("  time: the factors diag(1 - h^2) W_hh between step k and the last one are missing")
    shares = checked["share_of_step"]
    lines.append(f"share of each step in the gradient of W_hh (norm; step 1 to {len(shares)})")
    lines.append("  " + " ".join(f"{share:.1e}" for share in shares))
    lines.append(f"gradient by the state {int(measured[0].lag[-1])} steps back, relative to that by the last state")
    for one in measured:
        name = f"RNN rho {one.setting:g}" if one.kind == "rnn" else f"LSTM forget bias {one.setting:g}"
        stage = f"trained (accuracy {one.accuracy:.2f})" if one.trained else "at initialisation"
        bound = "" if one.bound is None else f"   bound {(one.bound[-1] / one.bound[0]).item():.1e}"
        lines.append(f"  {name:22}{stage:26}{(one.norm[-1] / one.norm[0]).item():>9.1e}{bound}")
    return "\n".join(lines)
