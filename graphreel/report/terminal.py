"""What the terminal shows while the report is made: which section, elapsed, expected; and a table at the end."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.table import Table

from graphreel.report.prose import plain
from graphreel.report.section import Section
from graphreel.report.store import Outcome
from graphreel.report.wording import many

_STYLES = {"confirmed": "green", "corrected": "dark_orange", "completed": "blue"}


def as_time(seconds: float) -> str:
    """`7 s`, `2 min 05 s` or `3 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if seconds >= 1 else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Terminal:
    """Lines for a file, with a live one below them on a terminal; nothing at all when quiet."""

    def __init__(self, console: Console | None = None, quiet: bool = False):
        self._console = console or Console(quiet=quiet, highlight=False)
        self._expected: dict[str, float] = {}
        self._done_expected = self._done_seconds = 0.0
        self._count = 0
        self._started = time.perf_counter()

    def start(self, outcomes: Sequence[Outcome], expected: Mapping[str, float]) -> None:
        """Say what was taken over, and how long the rest should take."""
        self._expected = dict(expected)
        for outcome in outcomes:
            if outcome.earlier:
                self._console.print(f"{outcome.section.id}  {outcome.section.title}: finished {outcome.finished_at}")
        if expected:
            total = as_time(sum(expected.values()))
            self._console.print(f"{many(len(expected), 'section')} to run, about {total} on two idle cores")

    @contextmanager
    def running(self, section: Section) -> Iterator[None]:
        """While a section runs."""
        self._count += 1
        expected = self._expected[section.id] * self._pace()
        left = sum(self._expected.values()) * self._pace()
        line = f"[{self._count}/{self._count + len(self._expected) - 1}] {section.id}  {section.title}"
        if not self._console.is_terminal:
            self._console.print(f"{line} (expected {as_time(expected)}, {as_time(left)} in all)", soft_wrap=True)
            yield
            return
        text = f"{line}  [dim]{{task.fields[spent]}} of about {as_time(expected)}; {as_time(left)} in all[/dim]"
        columns = (SpinnerColumn(), _Spent(text))
        with Progress(*columns, console=self._console, transient=True) as progress:
            progress.add_task("", total=None)
            yield

    def ended(self, outcome: Outcome) -> None:
        """Say how a section ended."""
        section = outcome.section
        self._done_expected += self._expected.pop(section.id)
        self._done_seconds += outcome.seconds
        head = f"{section.id}  {section.title}"
        if outcome.answer is None:
            said = f"[red]failed[/red] after {as_time(outcome.seconds)}: "
            self._console.print(f"{head}: {said}", end="", soft_wrap=True)
            self._console.print(outcome.reason, markup=False, soft_wrap=True)
        else:
            verdict = outcome.answer.verdict
            style = _STYLES[verdict]
            self._console.print(f"{head}: [{style}]{verdict}[/{style}] in {as_time(outcome.seconds)}", soft_wrap=True)

    def finish(self, outcomes: Sequence[Outcome], page: Path) -> None:
        """The summary table and the path of the page."""
        table = Table("question", "verdict", "what running it shows", "time", box=None, header_style="bold")
        for outcome in outcomes:
            answer = outcome.answer
            name = f"{outcome.section.id} {outcome.section.title}"
            if answer is None:
                table.add_row(name, f"[red]{outcome.status}[/red]", _plain(outcome.reason), as_time(outcome.seconds))
                continue
            style = _STYLES[answer.verdict]
            said = _plain(answer.sentence)
            table.add_row(name, f"[{style}]{answer.verdict}[/{style}]", said, as_time(outcome.seconds))
        self._console.print(table)
        self._console.print(f"in {as_time(time.perf_counter() - self._started)}: {page}", soft_wrap=True)

    def _pace(self) -> float:
        """How much slower than expected the sections so far were."""
        return self._done_seconds / self._done_expected if self._done_expected > 0 else 1.0


class _Spent(TextColumn):
    def render(self, task):  # type: ignore[no-untyped-def]
        task.fields["spent"] = as_time(task.elapsed or 0.0)
        return super().render(task)


def _plain(text: str) -> str:
    return escape(plain(text))
