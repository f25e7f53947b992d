"""What the terminal shows while the report is made: which question, elapsed, expected; and a table at the end."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from graphreel.report.cache import Outcome
from graphreel.report.question import Question
from graphreel.report.wording import as_time, many

_STYLES = {"confirmed": "green", "corrected": "dark_orange", "completed": "blue"}


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
                self._console.print(f"{outcome.question.id}  {outcome.question.title}: finished {outcome.finished_at}")
        if expected:
            total = as_time(sum(expected.values()))
            self._console.print(f"{many(len(expected), 'question')} to run, about {total} on two idle cores")

    @contextmanager
    def running(self, question: Question) -> Iterator[None]:
        """While a question runs."""
        self._count += 1
        expected = self._expected[question.id] * self._pace()
        left = sum(self._expected.values()) * self._pace()
        line = f"[{self._count}/{self._count + len(self._expected) - 1}] {question.id}  {question.title}"
        if not self._console.is_terminal:
            self._console.print(f"{line} (expected {as_time(expected)}, {as_time(left)} in all)", soft_wrap=True)
            yield
            return
        times = f"[dim]of about {as_time(expected)}; {as_time(left)} in all[/dim]"
        columns = (SpinnerColumn(), TextColumn(line), TimeElapsedColumn(), TextColumn(times))
        with Progress(*columns, console=self._console, transient=True) as progress:
            progress.add_task("", total=None)
            yield

    def ended(self, outcome: Outcome) -> None:
        """Say how a question ended."""
        question = outcome.question
        self._done_expected += self._expected.pop(question.id)
        self._done_seconds += outcome.seconds
        head = f"{question.id}  {question.title}"
        if outcome.findings is None:
            said = f"[red]failed[/red] after {as_time(outcome.seconds)}: "
            self._console.print(f"{head}: {said}", end="", soft_wrap=True)
            self._console.print(outcome.reason, markup=False, soft_wrap=True)
        else:
            verdict = _styled(outcome.findings.verdict)
            self._console.print(f"{head}: {verdict} in {as_time(outcome.seconds)}", soft_wrap=True)

    def finish(self, outcomes: Sequence[Outcome], page: Path) -> None:
        """The summary table and the path of the page."""
        table = Table("question", "verdict", "what running it shows", "time", box=None, header_style="bold")
        for outcome in outcomes:
            findings = outcome.findings
            name = f"{outcome.question.id} {outcome.question.title}"
            if findings is None:
                table.add_row(name, f"[red]{outcome.status}[/red]", escape(outcome.reason), as_time(outcome.seconds))
                continue
            said = escape(findings.sentence.plain)
            table.add_row(name, _styled(findings.verdict), said, as_time(outcome.seconds))
        self._console.print(table)
        self._console.print(f"in {as_time(time.perf_counter() - self._started)}: {page}", soft_wrap=True)

    def _pace(self) -> float:
        """How much slower than expected the sections so far were."""
        return self._done_seconds / self._done_expected if self._done_expected > 0 else 1.0


def _styled(verdict: str) -> str:
    return f"[{_STYLES[verdict]}]{verdict}[/]"
