"""A kernel for a GPU is tried before it is trusted: once on each device, against what it stands for."""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib.util import find_spec
from os import environ
from threading import RLock

import torch
from torch import Tensor

# the sums of a kernel and of what it stands for differ by their order, and by the products of TF32 where those are on
_TOLERANCE = 1e-2


class Guard:
    """What says whether a kernel may be used on a device.

    Args:
        name: Of the kernel, for the warning.
        instead: What runs where it fails, for the warning.
        check: Takes a device, runs the kernel and what it stands for on it, and returns the results of both.
    """

    def __init__(self, name: str, instead: str, check: Callable[[torch.device], tuple[list[Tensor], list[Tensor]]]):
        self.name, self.instead, self.check = name, instead, check
        self._passed: dict[torch.device, bool] = {}
        self._lock = RLock()

    def passes(self, device: torch.device) -> bool:
        """Whether the kernel was built and agreed on ``device``; where it did not, the first call warns."""
        found = self._passed.get(device)
        if found is not None:
            return found
        if is_capturing(device):
            return False  # nothing can be compared while a graph is captured: another call may
        with self._lock:
            if device not in self._passed:
                self._passed[device] = self._try(device)
        return self._passed[device]

    def _try(self, device: torch.device) -> bool:
        try:
            plain = torch.autocast(device.type, enabled=False)
            with torch.inference_mode(False), torch.enable_grad(), on_device(device), plain:
                torch.testing.assert_close(*self.check(device), rtol=_TOLERANCE, atol=_TOLERANCE)
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            warnings.warn(f"{self.name} is not used on {device}, {self.instead} is: {reason}", stacklevel=2)
            return False
        return True


def on_device(device: torch.device) -> AbstractContextManager[object]:
    """Within it kernels are launched on ``device``, whichever of several is the current one."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def runs_triton(device: torch.device) -> bool:
    """Whether kernels in Triton can be launched on ``device``.

    On a CPU its interpreter alone runs them, where TRITON_INTERPRET=1 was set before Triton was imported.
    """
    interpreted = device.type == "cpu" and environ.get("TRITON_INTERPRET") == "1"
    return (device.type == "cuda" or interpreted) and _is_installed("triton")


@cache
def _is_installed(package: str) -> bool:
    return find_spec(package) is not None


def is_capturing(device: torch.device) -> bool:
    """Whether what is called on ``device`` is being captured into a CUDA graph, so that nothing may wait for it."""
    return device.type == "cuda" and torch.cuda.is_current_stream_capturing()
