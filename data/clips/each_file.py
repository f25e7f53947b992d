"""Something done with every file: in threads, or in processes of their own; results are in the order of the files."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")
Read = Callable[[Path], _T]
Progress = Callable[[int, int], None] | None


def workers() -> int:
    """As many as OMP_NUM_THREADS says, else as there are processors for this process."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdecimal() and int(said):
        return int(said)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each_file(
    files: Sequence[Path], read: Read[_T], skipped: list[str] | None = None, progress: Progress = None
) -> list[_T | None]:
    """`read` of every file, in threads: decoding and optical flow run outside Python's lock.

    Args:
        skipped: a file that `read` refuses is None, and the reason added here; None passes the refusal on.
        progress: called with the number of files read and of all.
    """
    with ThreadPoolExecutor(workers()) as pool:
        try:
            return _collected(pool.map(_outcome, [read] * len(files), files), len(files), skipped, progress)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def each_in_process(
    files: Sequence[Path], read: Read[_T], skipped: list[str] | None = None, progress: Progress = None
) -> list[_T | None]:
    """`each_file` in processes, which joblib starts anew (so a script needs no guard); a single file in this one.

    Args:
        read: can be pickled; what its module imports is all that such a process holds.
    """
    count = min(workers(), len(files))
    if count < 2:
        return _collected((_outcome(read, file) for file in files), len(files), skipped, progress)
    from joblib import Parallel, delayed

    made = Parallel(count, return_as="generator", max_nbytes=None)(delayed(_outcome)(read, file) for file in files)
    return _collected(made, len(files), skipped, progress)


def _outcome(read: Read[_T], file: Path) -> _T | ValueError:
    try:
        return read(file)
    except ValueError as error:
        return error


def _collected(
    outcomes: Iterable[_T | ValueError], count: int, skipped: list[str] | None, progress: Progress
) -> list[_T | None]:
    found: list[_T | None] = []
    for outcome in outcomes:
        if not isinstance(outcome, ValueError):
            found.append(outcome)
        elif skipped is None:
            raise outcome
        else:
            skipped.append(str(outcome))
            found.append(None)
        if progress is not None:
            progress(len(found), count)
    return found
