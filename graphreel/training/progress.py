"""A progress bar on a terminal, silence elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_QUIET = ContextVar("quiet", default=False)


class Bar:
    """A bar that nobody sees."""

    def reach(self, done: float, line: str) -> None:
        """Say that `done` steps are done, with one line about the last of them."""


class _RichBar(Bar):
    def __init__(self, progress, task):
        self._progress, self._task = progress, task

    def reach(self, done: float, line: str) -> None:
        self._progress.update(self._task, completed=done, line=line)


class Progress:
    """Draws a bar on stderr when that is a terminal and `quiet` is off."""

    def __init__(self, quiet: bool = False):
        self.visible = not (quiet or _QUIET.get()) and sys.stderr.isatty()

    @contextmanager
    def over(self, total: int) -> Iterator[Bar]:
        """A bar over `total` steps, for a with statement."""
        if not self.visible:
            yield Bar()
            return
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (BarColumn(bar_width=24), TextColumn("{task.fields[line]}"), TimeRemainingColumn())
        with RichProgress(*columns, console=Console(stderr=True), transient=True) as progress:
            yield _RichBar(progress, progress.add_task("", total=total, line=""))


@contextmanager
def without_bars(quiet: bool) -> Iterator[None]:
    """No bar is drawn in a with statement, where that is asked for."""
    token = _QUIET.set(quiet)
    try:
        yield
    finally:
        _QUIET.reset(token)
