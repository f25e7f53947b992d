"""Writing beside the training."""

from collections.abc import Callable
from copy import copy
from threading import Thread
from typing import Any

from torch import Tensor


class Background:
    """One job at a time in a thread; the process does not end before it, and what it raises comes out at `wait`."""

    def __init__(self) -> None:
        self._thread: Thread | None = None
        self._error: BaseException | None = None

    def start(self, job: Callable[[], Any]) -> None:
        """Begin a job once the one before has ended well."""
        self.wait()
        self._thread = Thread(target=self._run, args=(job,), name="graphreel writer")
        self._thread.start()

    def wait(self) -> None:
        """Wait for the job at hand.

        Raises:
            Exception: what it raised.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self, job: Callable[[], Any]) -> None:
        try:
            job()
        except BaseException as error:  # it is for whoever waits
            self._error = error


def snapshot(value: Any) -> Any:
    """Dictionaries and lists with copies, on the CPU, of the tensors in them: training goes on and changes these."""
    if isinstance(value, Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        copied = copy(value)  # of a state dict with the versions it keeps
        copied.update({key: snapshot(entry) for key, entry in value.items()})
        return copied
    return type(value)(map(snapshot, value)) if isinstance(value, list | tuple) else value
