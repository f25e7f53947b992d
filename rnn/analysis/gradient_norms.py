"""How the gradient fades or grows on its way back through time, measured on RNNs and LSTMs."""

from dataclasses import dataclass

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from graphreel.core.picture import Picture

from ..cells import Cell, lstm_cell, rnn_tanh_cell
from ..layers.lstm import LSTM
from ..layers.rnn import RNN

RADII = (0.5, 1.0, 1.5)
FORGET_BIASES = (0.0, 1.0, 3.0)
_CLASSES = 4
_NOISE = 0.1


@dataclass(frozen=True)
class GradientNorms:
    """The gradient of the last step's loss by each earlier state, as a norm averaged over the batch.

    Attributes:
        kind: "rnn" or "lstm".
        setting: spectral radius of W_hh (rnn) or the forget gate's bias (lstm) at initialisation.
        trained: measured after training instead of at initialisation.
        lag: T - k = 0..T - 1, [T].
        norm: ||dL / dh_k||, for the LSTM ||dL / d(h_k, c_k)||, [T].
        bound: (max|tanh'| * sigma_max(W_hh))^(T - k) * ||dL / dh_T||, [T]; None for the LSTM.
        accuracy: on the memory task, where chance is 1/4.
    """

    kind: str
    setting: float
    trained: bool
    lag: Tensor
    norm: Tensor
    bound: Tensor | None
    accuracy: float


def memory_task(batch_size: int, steps: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """One of 4 symbols at the first step, faint noise afterwards; the label is the symbol. [B, T, 4] and [B]."""
    label = torch.randint(0, _CLASSES, (batch_size,), generator=generator)
    inputs = _NOISE * torch.randn(batch_size, steps, _CLASSES, generator=generator, dtype=torch.float64)
    inputs[:, 0] += nn.functional.one_hot(label, _CLASSES)
    return inputs, label


def state_gradients(
    cell: Cell, layer: RNN | LSTM, head: nn.Module, inputs: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of every sample's own loss at the last step by its states, and the states.

    Returns:
        Both [T, parts, B, H]: one part h for the RNN, two h, c for the LSTM.
    """
    weights = {name.removesuffix("_l0"): weight.detach() for name, weight in layer.named_parameters()}
    state = tuple(inputs.new_zeros(len(inputs), layer.hidden_size, requires_grad=True) for _ in layer.state_names)
    states = []
    for x in inputs.unbind(1):
        state, _ = cell(x, state, weights, None)
        state = tuple(part.clone() for part in state)  # h is a function of c within a step; after it, both are free
        states.append(state)
    loss = nn.functional.cross_entropy(head(state[0]), labels, reduction="sum")
    parts = len(state)
    gradients = torch.autograd.grad(loss, [part for state in states for part in state], materialize_grads=True)
    shape = (len(states), parts, *state[0].shape)
    values = torch.stack([part.detach() for state in states for part in state])
    return torch.stack(gradients).view(shape), values.view(shape)


def _orthogonal_rnn(hidden_size: int, radius: float) -> RNN:
    layer = RNN(_CLASSES, hidden_size, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        recurrent = layer.layer_weights(0, 0)["weight_hh"]
        nn.init.orthogonal_(recurrent).mul_(radius)
    return layer


def _measure(
    kind: str, setting: float, trained: bool, layer: RNN | LSTM, head: nn.Linear, inputs: Tensor, labels: Tensor
) -> GradientNorms:
    cell = rnn_tanh_cell if kind == "rnn" else lstm_cell
    gradients, states = state_gradients(cell, layer, head, inputs, labels)
    norm = gradients.transpose(1, 2).flatten(2).norm(dim=2).mean(1).flip(0)
    lag = torch.arange(len(norm))
    bound = None
    if kind == "rnn":
        slope = (1 - states**2).max()
        bound = (slope * torch.linalg.matrix_norm(layer.layer_weights(0, 0)["weight_hh"].detach(), 2)) ** lag * norm[0]
    with torch.no_grad():
        accuracy = (head(states[-1, 0]).argmax(1) == labels).double().mean().item()
    return GradientNorms(kind, setting, trained, lag, norm, bound, accuracy)


def gradient_norms(
    steps: int = 100, hidden_size: int = 32, batch_size: int = 32, training_steps: int = 200, seed: int = 0
) -> list[GradientNorms]:
    """Measure RNNs with W_hh = rho * orthogonal and LSTMs with a forget bias, at initialisation and after training.

    Training is on `memory_task` over the same number of steps: Adam at 3e-3, gradient norm clipped to 1.

    Args:
        steps: length T of the sequences.
        hidden_size: units of every network.
        batch_size: sequences in a training batch; four times as many are measured.
        training_steps: batches; 0 leaves the part after training out.

    Returns:
        rho = 0.5, 1, 1.5 and forget bias = 0, 1, 3, first at initialisation, then trained.

    Raises:
        ValueError: a size is not positive.
    """
    sizes = {"steps": steps, "hidden_size": hidden_size, "batch_size": batch_size}
    for name, value in sizes.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    if training_steps < 0:
        raise ValueError(f"training_steps must not be negative, got {training_steps}")
    initial, trained = [], []
    for kind, settings in (("rnn", RADII), ("lstm", FORGET_BIASES)):
        for setting in settings:
            generator = torch.Generator().manual_seed(seed)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                layer: RNN | LSTM = (
                    _orthogonal_rnn(hidden_size, setting)
                    if kind == "rnn"
                    else LSTM(_CLASSES, hidden_size, batch_first=True, dtype=torch.float64, forget_bias=setting)
                )
                head = nn.Linear(hidden_size, _CLASSES, dtype=torch.float64)
            probe = memory_task(4 * batch_size, steps, generator)
            initial.append(_measure(kind, setting, False, layer, head, *probe))
            if training_steps:
                _train(layer, head, batch_size, steps, training_steps, generator)
                trained.append(_measure(kind, setting, True, layer, head, *probe))
    return initial + trained


def _train(
    layer: RNN | LSTM, head: nn.Linear, batch_size: int, steps: int, training_steps: int, generator: torch.Generator
) -> None:
    parameters = [*layer.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, 3e-3)
    for _ in range(training_steps):
        inputs, labels = memory_task(batch_size, steps, generator)
        loss = nn.functional.cross_entropy(head(layer(inputs)[0][:, -1]), labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()


_COLOURS = ("#0072B2", "#D55E00", "#009E73")  # Okabe and Ito's palette, told apart by colour-blind readers
_MARKERS = ("o", "s", "^")


def draw_gradient_norms(measured: list[GradientNorms]) -> Figure:
    """Draw the measured norms against the lag on a log scale: RNNs above, LSTMs below, trained ones on the right."""
    stages = sorted({one.trained for one in measured})
    figure = Picture(figsize=(5.4 * len(stages), 7.6), layout="constrained")
    panels = figure.subplots(2, len(stages), squeeze=False, sharex=True)
    for row, kind in enumerate(("rnn", "lstm")):
        for column, trained in enumerate(stages):
            axis = panels[row][column]
            chosen = [one for one in measured if one.kind == kind and one.trained == trained]
            for one, colour, marker in zip(chosen, _COLOURS, _MARKERS, strict=False):
                name = f"ρ = {one.setting:g}" if kind == "rnn" else f"forget bias {one.setting:g}"
                name += f" (accuracy {one.accuracy:.2f})" if trained else ""
                every = max(1, len(one.lag) // 10)
                axis.semilogy(
                    one.lag, one.norm.clamp(min=1e-300), color=colour, marker=marker, markevery=every, label=name
                )
                if one.bound is not None:
                    label = "bound (max|tanh'| σ_max)^lag" if one is chosen[0] else None
                    axis.semilogy(one.lag, one.bound, color=colour, linestyle=":", linewidth=1.4, label=label)
            network = "RNN, W_hh = ρ · orthogonal" if kind == "rnn" else "LSTM"
            axis.set_title(f"{network}, {'after training' if trained else 'at initialisation'}", fontsize=11)
            axis.set_ylabel("‖∂L/∂h‖" if kind == "rnn" else "‖∂L/∂(h, c)‖")
            axis.grid(alpha=0.25)
            axis.legend(frameon=False, fontsize=8)
            if row == 1:
                axis.set_xlabel("lag T − k (steps back from the loss)")
    return figure
