"""Signals that come while a program imports its parts: an exception could be caught halfway, and leave them broken."""

import os
import signal
import sys
from types import FrameType

INTERRUPTED = "interrupted; a training goes on with --resume RUN, a report with the same command"


def interrupt(number: int, frame: FrameType | None) -> None:
    """A program's handler of SIGINT: `leave_if_importing`, or KeyboardInterrupt."""
    leave_if_importing(number, frame)
    raise KeyboardInterrupt


def leave_if_importing(number: int, frame: FrameType | None) -> None:
    """End the process at once, with one line, if it is a program that handles SIGINT so and something is imported."""
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    if frame is not None and _program:
        sys.stderr.write(f"graphreel: {INTERRUPTED}\n")
        sys.stderr.flush()
        os._exit(128 + number)


def handle_as_program() -> None:
    """Handle SIGINT by `interrupt`, unless the caller ignores it."""
    global _program
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, interrupt)
        _program = True


_program = False
