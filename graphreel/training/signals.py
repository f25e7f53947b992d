"""SIGINT, SIGTERM and SIGHUP end a training between two steps, so that it can save a checkpoint first."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from graphreel.core.interrupt import interrupt, leave_if_importing
from graphreel.training import ranks
from graphreel.training.errors import Stopped

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


class StopRequest:
    """Which signal has asked to stop, if any.

    While `deferred`, a first signal is only noted in `number` for the loop to act on; a second one, or one that comes
    while nothing defers it, raises at once. Several ranks wait for the end of the step even then, since torchrun passes
    on to them what a terminal has sent them already.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._deferred = False

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Note a signal instead of raising, for a with statement around code that looks at `number`."""
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def stop(self, place: str = "") -> None:
        """Raise what ends the process: KeyboardInterrupt for SIGINT, else Stopped."""
        assert self.number is not None
        if self.number == signal.SIGINT:
            raise KeyboardInterrupt
        raise Stopped(self.number, place)

    def handle(self, number: int, frame: FrameType | None) -> None:
        """A signal handler."""
        if not self._deferred:
            leave_if_importing(number, frame)
        again, self.number = self.number is not None, number
        if (again and ranks.size() == 1) or not self._deferred:
            self.stop()


# a process has one set of signal handlers
REQUEST = StopRequest()


@contextmanager
def catching_signals() -> Iterator[None]:
    """Let `REQUEST` handle the signals; those that the caller ignores (nohup) or handles otherwise stay as they are."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    defaults = (signal.SIG_DFL, signal.default_int_handler, interrupt)
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    caught = {number: handler for number in numbers if (handler := signal.getsignal(number)) in defaults}
    for number in caught:
        signal.signal(number, REQUEST.handle)
    try:
        yield
    finally:
        for number, handler in caught.items():
            signal.signal(number, handler)
        REQUEST.number = None
