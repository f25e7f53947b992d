"""Time two programs in turns in one process, and print the medians as a table."""

import argparse
import gc
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass
class Line:
    """One line of a table: medians in seconds, and the bar that their ratio has to reach."""

    work: str
    ours: float
    theirs: float
    bar: str


def medians(
    first: Callable[[], object],
    second: Callable[[], object],
    seconds: float = 10.0,
    least: int = 5,
    warm_up: int = 3,
) -> tuple[float, float]:
    """The median times of two programs, called in turns so that both meet the same weather.

    Both are called ``warm_up`` times before the clock starts; then at least ``least`` and at most 100 rounds within
    ``seconds``.
    """
    for program in (first, second):
        for _ in range(warm_up):
            program()
    gc.collect()
    times: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + seconds
    while len(times[0]) < least or (len(times[0]) < 100 and time.perf_counter() < end):
        for program, taken in zip((first, second), times, strict=True):
            start = time.perf_counter()
            program()
            taken.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def print_lines(lines: Iterable[Line]) -> None:
    """Print each line as soon as it is measured."""
    print(f"{'work':58} {'ours':>10} {'other':>10} {'ratio':>8}  bar", flush=True)
    for line in lines:
        ratio = line.theirs / line.ours
        shown = f"{ratio:.2f}x" if "floor" not in line.bar else f"{1 / ratio:.2f}"
        print(f"{line.work:58} {line.ours * 1e3:8.2f}ms {line.theirs * 1e3:8.2f}ms {shown:>8}  {line.bar}", flush=True)


def arguments(names: Iterable[str], description: str, **more: Iterable[str]) -> argparse.Namespace:
    """``--only``, ``--allocator`` and ``more`` choices by name; the allocator is set here, before PyTorch works."""
    parser = argparse.ArgumentParser(description=description)
    for name, choices in more.items():
        parser.add_argument(f"--{name}", nargs="+", choices=list(choices), default=list(choices))
    parser.add_argument("--only", nargs="+", choices=list(names), metavar="LINE", help=f"of {', '.join(names)}")
    parser.add_argument("--allocator", choices=("default", "tuned"), default="default")
    chosen = parser.parse_args()
    if chosen.allocator == "tuned":
        from graphreel.training.allocator import tune_allocator

        if not tune_allocator():
            parser.error("this C library's allocator cannot be tuned")
    return chosen
