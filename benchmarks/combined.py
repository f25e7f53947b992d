"""The models of space x time beside the usual loops: one epoch (or a part of it) of training, medians.

python -m benchmarks.combined [--only chickenpox los jhmdb growth ...] [--allocator default|tuned]

Data comes from $GRAPHREEL_DATA where it is there, else it is random and of the same shape. PyTorch Geometric Temporal
is one of the other sides where it is installed, and is skipped by name where not.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.data import Batch
from torch_geometric.nn import GATConv as PyGGATConv
from torch_geometric.nn import GCNConv as PyGGCNConv

from benchmarks.side_by_side import Line, arguments, medians, print_lines
from benchmarks.temporal_layers import AllSteps, OneStep, temporal_layer
from graphreel.combined import TGCN, ClipClassifier, Forecaster
from graphreel.data.clips.clip import Clip
from graphreel.data.clips.keypoint_clips import KeypointReader
from graphreel.data.clips.skeletons import JHMDB_15
from graphreel.data.series.windows import SensorSeries, SensorSplits, split_in_time
from graphreel.gnn import GATConv, GCNConv
from graphreel.rnn import GRU
from graphreel.training.allocator import give_memory_back

Epoch = Callable[[], object]


def epoch(model: nn.Module, losses: Callable[[], Iterator[Tensor]]) -> Epoch:
    """One optimiser step for every loss."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def run() -> None:
        for loss in losses():
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    return run


class LoopedForecaster(nn.Module):
    """GCN, then GRU, as it is usually written: PyG's layer and a cell in a loop over the steps."""

    def __init__(self, features: int, hidden: int, horizon: int) -> None:
        super().__init__()
        self.spatial, self.cell = PyGGCNConv(features, hidden), nn.GRUCell(hidden, hidden)
        self.head = nn.Linear(hidden, horizon)

    def copy(self, ours: Forecaster) -> "LoopedForecaster":
        """With the weights of `ours`."""
        self.spatial.load_state_dict(ours.spatial.state_dict())  # type: ignore[union-attr]
        self.cell.load_state_dict({k.removesuffix("_l0"): v for k, v in ours.temporal.state_dict().items()})
        self.head.load_state_dict(ours.head.state_dict())
        return self

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor) -> Tensor:
        windows, steps, nodes, _ = x.shape
        h = x.new_zeros(windows * nodes, self.cell.hidden_size)
        for t in range(steps):
            z = torch.relu(self.spatial(x[:, t], edge_index, edge_weight))
            h = self.cell(z.reshape(windows * nodes, -1), h)
        forecast: Tensor = self.head(h).view(windows, nodes, -1).transpose(1, 2)
        return forecast


def sensors(path: str, steps: int, nodes: int, edges: int, lags: int, horizon: int) -> SensorSplits:
    """A series where its file is found, else a random one of its shape."""
    folder = os.environ.get("GRAPHREEL_DATA")
    if folder and Path(folder, path).is_file():
        from graphreel.data import load

        splits: SensorSplits = load(Path(folder, path), lags=lags, horizon=horizon)
        return splits
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(steps, nodes, 1, generator=generator)
    edge_index = torch.randint(nodes, (2, edges), generator=generator)
    seen = torch.ones(steps, nodes, dtype=torch.bool)
    names = [str(n) for n in range(nodes)]
    series = SensorSeries("random", values, seen, edge_index, torch.ones(edges), None, names)
    return split_in_time(series, lags, horizon, 0.9 if nodes == 20 else 0.8, 0.1, "rows")


def training(splits: SensorSplits, model: nn.Module, batch_size: int, batches: int | None) -> Epoch:
    """An epoch (or so many batches) of training."""
    groups = torch.arange(len(splits.train)).split(batch_size)[:batches]

    def losses() -> Iterator[Tensor]:
        for indices in groups:
            batch = splits.train.batch(indices)
            yield F.mse_loss(model(batch.x, batch.edge_index, batch.edge_weight), batch.y)

    return epoch(model, losses)


def forecasting(
    splits: SensorSplits, ours: nn.Module, theirs: nn.Module, batch_size: int, batches: int | None
) -> tuple[Epoch, Epoch]:
    """`training` of both on the same windows, once they are seen to agree."""
    with torch.no_grad():
        first = splits.train.batch(torch.arange(batch_size))
        told = [model(first.x, first.edge_index, first.edge_weight) for model in (ours, theirs)]
    torch.testing.assert_close(*told, rtol=1e-3, atol=1e-4)
    return training(splits, ours, batch_size, batches), training(splits, theirs, batch_size, batches)


def chickenpox() -> Iterator[Line]:
    splits = sensors("chickenpox/chickenpox.json", 521, 20, 102, 4, 1)
    ours = Forecaster(GCNConv(1, 32), GRU(32, 32), 1)
    looped = LoopedForecaster(1, 32, 1).copy(ours)
    sides = forecasting(splits, ours, looped, 32, None)
    yield Line("chickenpox, epoch, 4 lags, hidden 32; PyG loop, batch 32", *medians(*sides, seconds=10), "")
    alone = forecasting(splits, ours, LoopedForecaster(1, 32, 1).copy(ours), 1, None)[1]
    yield Line("the same; PyG loop, one window at a time", *medians(sides[0], alone, seconds=10), "")
    peer = temporal_layer("GConvGRU")
    if peer is None:
        return
    windows = [splits.train.batch(index) for index in torch.arange(len(splits.train)).split(1)]
    stepwise, at_once = OneStep(peer(1, 32, 2), 32, 1), OneStep(peer(4, 32, 2), 32, 1)

    def one_by_one() -> Iterator[Tensor]:
        for batch in windows:
            yield F.mse_loss(stepwise(batch.x[0], batch.edge_index, batch.edge_weight), batch.y[0])

    def as_its_example() -> Iterator[Tensor]:
        """Lags are features of one step, and all windows share one step of the optimiser."""
        losses = []
        for batch in windows:
            told = at_once(batch.x.permute(0, 3, 2, 1)[0], batch.edge_index, batch.edge_weight)
            losses.append(F.mse_loss(told, batch.y[0]))
        yield torch.stack(losses).mean()

    at_a_time = "PyG-Temporal GConvGRU, one window at a time"
    yield Line(at_a_time, *medians(sides[0], epoch(stepwise, one_by_one), 15, warm_up=1), "20x")
    whole = forecasting(splits, ours, LoopedForecaster(1, 32, 1).copy(ours), len(splits.train), None)[0]
    example = epoch(at_once, as_its_example)
    yield Line(
        "PyG-Temporal GConvGRU as its example: one step an epoch", *medians(whole, example, 15, warm_up=1), "20x"
    )


def los() -> Iterator[Line]:
    batches = 2
    splits = sensors("traffic/los_speed.csv", 2016, 207, 2833, 12, 12)
    ours = Forecaster(GCNConv(1, 64), GRU(64, 64), 12)
    sides = forecasting(splits, ours, LoopedForecaster(1, 64, 12).copy(ours), 32, batches)
    yield Line(f"los-loop, {batches} batches of 32, 12 steps, hidden 64; PyG loop", *medians(*sides, seconds=10), "3x")
    peers = (("TGCN", {}), ("TGCN2", {"batch_size": 32}), ("A3TGCN2", {"batch_size": 32, "periods": 12}))
    for name, sizes in peers:
        peer = temporal_layer(name)
        if peer is None:
            continue
        model = OneStep(peer(1, 64, **sizes), 64, 12, all_at_once=name == "A3TGCN2", side_by_side=name == "TGCN")
        if name == "TGCN":
            same_layer = AllSteps(TGCN(1, 64), 64, 12)
            same_layer.load_state_dict(model.state_dict())
            same = forecasting(splits, same_layer, model, 32, batches)
            yield Line("our TGCN, the same weights; PyG-Temporal TGCN", *medians(*same, 15, warm_up=1), "8x")
        theirs = training(splits, model, 32, batches)
        yield Line(f"GCN and GRU as above; PyG-Temporal {name}", *medians(sides[0], theirs, 15, warm_up=1), "")


class LoopedClassifier(nn.Module):
    """GAT, mean, GRU over the frames of one clip after the other, with PyG's layer and a cell."""

    def __init__(self, ours: ClipClassifier, features: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.spatial = PyGGATConv(features, hidden // 4, heads=4)
        self.cell, self.head = nn.GRUCell(hidden, hidden), nn.Linear(hidden, classes)
        self.spatial.load_state_dict(ours.spatial.state_dict())  # type: ignore[union-attr]
        self.cell.load_state_dict({k.removesuffix("_l0"): v for k, v in ours.temporal.state_dict().items()})  # type: ignore[union-attr]
        self.head.load_state_dict(ours.head.state_dict())

    def forward(self, clips: list[list[tuple[Tensor, Tensor]]]) -> Tensor:
        states = []
        for frames in clips:
            h = torch.zeros(1, self.cell.hidden_size)
            for x, edge_index in frames:
                h = self.cell(torch.relu(self.spatial(x, edge_index)).mean(0, keepdim=True), h)
            states.append(h)
        logits: Tensor = self.head(torch.cat(states))
        return logits


def jhmdb() -> Iterator[Line]:
    clips = [within_frames(clip) for clip in keypoint_clips(32)]
    batch = Batch.from_data_list(clips)
    single = [[(clip.x[clip.frame == t], JHMDB_15.edge_index()) for t in range(int(clip.num_frames))] for clip in clips]
    features = clips[0].x.size(1)
    ours = ClipClassifier(GATConv(features, 16, heads=4), GRU(64, 64, batch_first=True), 14)
    theirs = LoopedClassifier(ours, features, 64, 14)
    with torch.no_grad():
        torch.testing.assert_close(ours(batch), theirs(single), rtol=1e-3, atol=1e-4)

    def our_losses() -> Iterator[Tensor]:
        fresh = Batch.from_data_list(clips)  # as a loader would make it
        yield F.cross_entropy(ours(fresh), fresh.y)

    def their_losses() -> Iterator[Tensor]:
        yield F.cross_entropy(theirs(single), batch.y)

    sides = epoch(ours, our_losses), epoch(theirs, their_losses)
    yield Line("jhmdb, a batch of 32 clips, GAT + GRU 64; loop over frames", *medians(*sides, seconds=10), "10x")


def within_frames(clip: Clip) -> Clip:
    """The clip with the edges within frames alone, as the loop over frames sees it."""
    keep = clip.edge_attr[:, 0] == 0
    clip.edge_index, clip.edge_attr = clip.edge_index[:, keep], clip.edge_attr[keep]
    return clip


def keypoint_clips(count: int) -> list[Clip]:
    """Clips of JHMDB where they are found, else random ones of their shape."""
    folder = os.environ.get("GRAPHREEL_DATA")
    if folder and Path(folder, "jhmdb/jhmdb_split1.npz").is_file():
        from graphreel.data import load

        return list(load(Path(folder, "jhmdb/jhmdb_split1.npz")).train[:count])
    generator = torch.Generator().manual_seed(0)
    reader = KeypointReader(JHMDB_15)
    lengths = torch.randint(15, 41, (count,), generator=generator).tolist()
    return [reader.clip(torch.randn(n, 15, 2, generator=generator), i % 14) for i, n in enumerate(lengths)]


def growth() -> None:
    """Time and memory of a training step for 1x, 4x and 16x the frames, nodes and batch."""
    print(f"{'growth':12} {'':>4} {'time':>12} {'a unit':>12} {'peak memory':>14} {'a unit':>12}")
    for axis in ("frames", "nodes", "batch"):
        for times in (1, 4, 16):
            size = {"frames": 16, "nodes": 16, "batch": 8} | {
                axis: {"frames": 16, "nodes": 16, "batch": 8}[axis] * times
            }
            seconds, memory = _training_step_of(**size)
            shown = f"{memory / 2**20:11.1f}MiB {memory / times / 2**20:9.1f}MiB" if memory is not None else ""
            print(f"{axis:12} {times:3}x {seconds * 1e3:10.1f}ms {seconds / times * 1e3:10.1f}ms {shown}", flush=True)


def _training_step_of(frames: int, nodes: int, batch: int) -> tuple[float, int | None]:
    generator = torch.Generator().manual_seed(0)
    ring = torch.stack([torch.arange(nodes), torch.arange(nodes).roll(1)])
    clips = [
        Clip.from_frames([torch.randn(nodes, 32, generator=generator) for _ in range(frames)], [ring] * frames, y=0)
        for _ in range(batch)
    ]
    given = Batch.from_data_list(clips)
    model = ClipClassifier(GCNConv(32, 64), GRU(64, 64, batch_first=True), 4)

    def run() -> None:
        model.zero_grad()
        F.cross_entropy(model(given), given.y).backward()

    taken = []
    for _ in range(7):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return sorted(taken[2:])[2], _peak_of(run)


def _peak_of(run: Callable[[], None]) -> int | None:
    """The most memory of the process while `run` runs, above what it had before, where Linux tells."""
    give_memory_back()  # what earlier runs freed would be used again, unseen
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None

    def status(name: str) -> int:
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
        return int(line.split()[1]) * 1024

    before = status("VmRSS")
    run()
    return max(0, status("VmHWM") - before)


LINES = {"chickenpox": chickenpox, "los": los, "jhmdb": jhmdb}


def main() -> None:
    chosen = arguments([*LINES, "growth"], "The models of space x time beside the usual loops.")
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {chosen.allocator} allocator")
    names = chosen.only or [*LINES, "growth"]
    print_lines(line for name in names if name in LINES for line in LINES[name]())
    if "growth" in names:
        growth()


if __name__ == "__main__":
    main()
