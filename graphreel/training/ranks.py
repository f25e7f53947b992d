"""Several processes that train together, as torchrun starts them; each has a rank, and one alone is rank 0 of 1.

Every rank reads a share of each batch. A loss is a mean, so that a rank's summand of it is its own mean times the part
of all weight that its share has; gradients and losses are added up, and N ranks do what one process does.
"""

import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from graphreel.training.errors import RankLost

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
R = TypeVar("R")

_PATIENCE = timedelta(hours=2)  # one rank may wait for another that long, say for what it alone writes
_LOST = ("closed by peer", "Connection re", "timed out", "Broken pipe", "NCCL", "process group")
_counts = True  # whether this rank's share of the batch at hand is its own, see `share`


def size() -> int:
    """How many processes train together."""
    group = sys.modules.get("torch.distributed")
    return group.get_world_size() if group is not None and group.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return sys.modules["torch.distributed"].get_rank() if size() > 1 else 0


def is_first() -> bool:
    """Whether this is the one that reads and writes the run folder, and prints."""
    return rank() == 0


def started(environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """The rank, and the number of ranks, that torchrun has given this process."""
    count = int(environment.get("WORLD_SIZE") or 1)
    return (int(environment.get("RANK") or 0), count) if count > 1 else (0, 1)


def launch() -> str | None:
    """What a start of torchrun and its restarts have in common, and no other; None without torchrun."""
    name = os.environ.get("TORCHELASTIC_RUN_ID")
    if name is None:
        return None
    own = f"{socket.gethostname()} {os.getppid()}" if name == "none" else name
    return " ".join([own, *sys.argv[1:]])


@contextmanager
def joined() -> Iterator[None]:
    """Be one of the ranks that torchrun has started, for a with statement; nothing where there is but one.

    Each has a GPU of its own where there are any, which is its device cuda.

    Raises:
        RankLost: another rank has ended in the middle.
    """
    own, count = started()
    if count == 1 or size() > 1:
        yield
        return
    import torch
    import torch.distributed as group

    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK") or own) % torch.cuda.device_count())
    store, own, count = next(group.rendezvous("env://"))
    # torchrun's store still has the addresses of processes from before a restart, which none must call
    attempt = f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT') or 0} of {count}"
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    store = group.PrefixStore(attempt, store)
    group.init_process_group(backend, store=store, rank=own, world_size=count, timeout=_PATIENCE)
    try:
        yield
    except RuntimeError as error:
        if not any(word in str(error) for word in _LOST):
            raise
        raise RankLost("another process of this training has ended") from None
    finally:
        group.destroy_process_group()


@contextmanager
def together() -> Iterator[None]:
    """What fails on one rank in a with statement fails on all: rank 0 says why, the others end as well."""
    found: Exception | None = None
    try:
        yield
    except (OSError, ValueError) as error:
        found = error
    outcomes = gather(None if found is None else str(found))
    if found is not None and is_first():
        raise found
    for number, outcome in enumerate(outcomes):
        if outcome is not None:
            raise ValueError(f"rank {number}: {outcome}")


def from_first(make: Callable[[], T]) -> T:
    """What rank 0 makes, on every rank; an error of its making as well."""
    if size() == 1:
        return make()
    from torch.distributed import broadcast_object_list

    made: list[Any] = [None]
    with together():
        if is_first():
            made = [make()]
    broadcast_object_list(made)
    return made[0]  # type: ignore[no-any-return]


def gather(value: T) -> list[T]:
    """The value of every rank."""
    if size() == 1:
        return [value]
    from torch.distributed import all_gather_object

    values: list[Any] = [None] * size()
    all_gather_object(values, value)
    return values


def greatest(*values: float) -> list[float]:
    """The greatest that any rank has of each number."""
    return _reduced(values, "MAX")


def summed(*values: float) -> list[float]:
    """The sum over the ranks of each number, in float64."""
    return _reduced(values, "SUM")


def _reduced(values: Sequence[float], how: str) -> list[float]:
    if size() == 1:
        return list(values)
    import torch
    import torch.distributed as group

    numbers = torch.tensor(values, dtype=torch.float64)
    group.all_reduce(numbers, getattr(group.ReduceOp, how))
    return numbers.tolist()


def span(count: int) -> tuple[int, int]:
    """Which of `count` things, in their order, this rank's share begins with, and before which it ends."""
    return rank() * count // size(), (rank() + 1) * count // size()


def share(items: Any, dim: int = 0) -> Any:
    """This rank's share of a batch: of a sequence, or of a tensor along `dim`.

    Where there are fewer items than ranks some get the first as well, since all have to go through the model together;
    what it yields there counts nothing, in `mean` and in a batch norm.
    """
    global _counts
    count = items.shape[dim] if hasattr(items, "shape") else len(items)
    start, stop = span(count)
    _counts = stop > start
    start, stop = (start, stop) if _counts else (0, 1)
    return items.narrow(dim, start, stop - start) if hasattr(items, "narrow") else items[start:stop]


def weight() -> float:
    """1, or 0 where this rank's share of the batch is not its own."""
    return float(_counts)


def mean(own: "Tensor", count: "Tensor | float") -> "Tensor":
    """This rank's summand of a mean over all ranks, from the mean over its own share and the weight of that."""
    if size() == 1:
        return own
    part = weight() * float(count)
    (total,) = summed(part)
    return own * (part / total if total else 0.0)


def in_parts(parts: Sequence[T], compute: Callable[[T], R]) -> list[R]:
    """What is computed of every part, each by one rank, on all of them."""
    own = [compute(part) for part in parts[slice(*span(len(parts)))]]
    return own if size() == 1 else [one for several in gather(own) for one in several]
