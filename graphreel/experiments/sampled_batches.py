"""Sampled neighbourhoods, step by step, also out of processes that read ahead."""

import signal
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch_geometric.data import Data

from graphreel.data import DiskGraph, neighbor_loader
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.training import ranks
from graphreel.training.errors import TrainingError


class SampledBatches(Dataset[Data]):
    """step -> the sampled neighbourhood of a batch of seed nodes; every epoch has an order of its own.

    Of several ranks each samples around its share of the seeds, by random numbers of its own.
    """

    def __init__(self, graph: Data | DiskGraph, seeds: Tensor, settings: GnnSettings, random_seed: int) -> None:
        self._generator = torch.Generator()
        self._loader = neighbor_loader(graph, settings.fan_out, seeds, settings.batch_size, self._generator)
        self._loader.node_sampler.seeded_by_worker = False  # type: ignore[attr-defined]
        self._size, self._seed, self._count = settings.batch_size, random_seed, len(seeds)
        self._order: tuple[int, Tensor] = (-1, seeds)

    @property
    def per_epoch(self) -> int:
        return -(-self._count // self._size)

    def __getitem__(self, step: int) -> Data:
        epoch, position = divmod(step, self.per_epoch)
        if self._order[0] != epoch:
            generator = self._generator.manual_seed(self._seed * 1_000_003 + epoch)
            self._order = epoch, torch.randperm(self._count, generator=generator)
        self._generator.manual_seed((self._seed + 1) * 1_000_003 + step + ranks.rank() * 2**40)
        start = position * self._size
        seeds = self._order[1][start : start + self._size]
        if ranks.size() > 1:  # neighbours in number mostly are of one part
            seeds = seeds.sort().values
        batch: Data = self._loader(ranks.share(seeds))
        return batch


def sampled_batches(
    graph: Data | DiskGraph, seeds: Tensor, settings: GnnSettings, random_seed: int
) -> Callable[[int], Data]:
    """step -> batch, which `settings.workers` processes read ahead; their number changes nothing of it.

    The processes are forked: what the graph holds, or maps from a disk, is shared and not copied.
    """
    batches = SampledBatches(graph, seeds, settings, random_seed)
    if not settings.workers:
        return batches.__getitem__
    ahead: Iterator[Any] = iter(())
    expected = -1

    def batch(step: int) -> Data:
        nonlocal ahead, expected
        if step != expected:
            steps = range(step, settings.epochs * batches.per_epoch)
            ahead = iter(
                DataLoader(
                    batches, batch_size=None, sampler=steps, num_workers=settings.workers,
                    worker_init_fn=_leave_signals, generator=torch.Generator(), multiprocessing_context="fork",
                )
            )  # fmt: skip
        expected = step + 1
        try:
            found: Data = next(ahead)
        except RuntimeError as error:
            if "exited unexpectedly" not in str(error):
                raise
            raise TrainingError(
                f"a process that samples batches (--workers) ended at step {step + 1}: {error}"
            ) from None
        return found

    return batch


def _leave_signals(_: int) -> None:
    """A signal to stop is for the training, which ends its workers."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
