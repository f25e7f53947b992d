"""Fine-tuning: a training that starts from the weights of another run."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from graphreel.training.run_folder import RunFolder


def weights_of(path: str) -> dict[str, Tensor]:
    """The best weights of a run folder; no code is run from it.

    Raises:
        FileNotFoundError: there is no such folder, or it has no checkpoint.
        ValueError: it is no run folder, or its checkpoint holds no weights.
    """
    run = RunFolder.open(Path(path))
    weights: Any = run.load_checkpoint().get("model")
    if not isinstance(weights, dict):
        raise ValueError(f"--init-from expects a finished training, and {path} holds no weights")
    return weights


def take_over(model: nn.Module, weights: dict[str, Tensor], path: str) -> str:
    """Copy into a model what has its name and shape in `weights`; what was taken over, in a sentence.

    Statistics of batch normalisations go with the parameters.

    Raises:
        ValueError: nothing fits.
    """
    statistics = ("running_mean", "running_var")
    own: dict[str, Tensor] = dict(model.named_parameters())
    own |= {name: value for name, value in model.named_buffers() if name.endswith(statistics)}
    fitting = {name: value for name, value in own.items() if name in weights and weights[name].shape == value.shape}
    if not fitting:
        raise ValueError(f"--init-from {path} has no weights of the names and shapes of this model")
    for name, value in fitting.items():
        value.data.copy_(weights[name])
    anew = [name for name in own if name not in fitting]
    shown = ", ".join(anew[:4]) + (", ..." if len(anew) > 4 else "")
    return f"{len(fitting)} of {len(own)} tensors start from {path}" + (f"; anew start {shown}" if anew else "")
