"""Packed graphs: time, memory and disk of packing, training and predicting, beside the same graph in memory.

    python -m benchmarks.on_disk [--edges 1000000 10000000] [--folder DIR] [--steps 40] [--only pack train predict]

A graph has a tenth as many nodes as edges, 128 float16 features and 8 classes. Each case runs in a process of its own;
"memory" is the peak of its anonymous memory, and of its workers', above the libraries (Pss_Anon of smaps_rollup):
pages of mapped files, which the system takes back when it needs them, are not in it. Seeds a second from the disk and
from memory are of one process, in turns; both have one process that reads ahead. With --limit-gb each case of the disk
runs inside a control group with that much memory in all, the cache of files included, where the system allows it.
"""

import argparse
import gc
import multiprocessing
import os
import shutil
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import Data

from graphreel.data import open_graph
from graphreel.data.graphs.on_disk.disk_graph import DiskGraph
from graphreel.data.graphs.on_disk.pack import pack
from graphreel.experiments.graph_model import build_model, edge_inputs
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.nodes_on_disk import layer_by_layer
from graphreel.experiments.sampled_batches import sampled_batches

FEATURES, CLASSES, CHUNK, TURN = 128, 8, 1 << 20, 10
_MEMORY = Path("/proc/self/cgroup")  # of a machine with control groups of the first version


def limited_group() -> Path:
    """A control group below this process's own, so that what limits this one limits it as well."""
    own = next(line.split(":")[2] for line in _MEMORY.read_text().splitlines() if line.split(":")[1] == "memory")
    return Path("/sys/fs/cgroup/memory") / own.lstrip("/") / "graphreel-benchmark"


def make(folder: Path, edges: int) -> None:
    """edges.npy, x.npy, y.npy of a random graph whose low nodes are met more often."""
    draw, nodes = np.random.default_rng(0), edges // 10
    pairs = np.lib.format.open_memmap(folder / "edges.npy", "w+", np.int32, (2, edges))
    for first in range(0, edges, CHUNK):
        uniform = draw.random((2, min(CHUNK, edges - first)), np.float32)
        pairs[:, first : first + CHUNK] = np.minimum(uniform**1.5 * nodes, nodes - 1)
    y = draw.integers(0, CLASSES, nodes)
    np.save(folder / "y.npy", y)
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float16, (nodes, FEATURES))
    for first in range(0, nodes, CHUNK):
        part = y[first : first + CHUNK]
        x[first : first + CHUNK] = draw.standard_normal((len(part), FEATURES), np.float32)
        x[np.arange(first, first + len(part)), part] += 2
    order = draw.permutation(nodes)
    cuts = {"train": order[: nodes // 5], "val": order[nodes // 5 :][: nodes // 100], "test": order[-nodes // 100 :]}
    np.savez(folder / "splits.npz", **cuts)


def settings_of() -> GnnSettings:
    return GnnSettings.resolve("GRAPH", {"neighbors": "15,10", "hidden": 64, "workers": 1}, "packed graph")


def model_of(settings: GnnSettings) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model(settings, FEATURES, CLASSES, None, None)


def packing(folder: Path, steps: int) -> dict[str, float]:
    shutil.rmtree(folder / "GRAPH", ignore_errors=True)
    manifest = pack(
        str(folder / "edges.npy"), folder / "GRAPH", folder / "x.npy", folder / "y.npy", folder / "splits.npz"
    )
    return {"disk": sum(array["bytes"] for array in manifest.arrays.values()) / 2**20}


class Trainer:
    """Steps of training, from whatever a graph is."""

    def __init__(self, graph: DiskGraph | Data, seeds: torch.Tensor) -> None:
        self.settings = settings_of()
        self.model = model_of(self.settings)
        self.optimizer = torch.optim.Adam(self.model.parameters(), 0.003)
        self.batches, self.step = sampled_batches(graph, seeds, self.settings, 0), 0

    def seconds(self, steps: int) -> float:
        """Of so many steps."""
        began = time.perf_counter()
        for _ in range(steps):
            batch = self.batches(self.step)
            count, self.step = batch.batch_size, self.step + 1
            answer = self.model(batch.x.float(), **edge_inputs(batch, self.settings))[:count]
            loss = torch.nn.functional.cross_entropy(answer, batch.y[:count].long())
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return time.perf_counter() - began


def training(folder: Path, steps: int) -> dict[str, float]:
    graph = open_graph(folder / "GRAPH")
    trainer = Trainer(graph, graph.part("train"))
    trainer.seconds(4)
    return {"seeds": 1024 * steps / trainer.seconds(steps)}


def beside_memory(folder: Path, steps: int) -> dict[str, float]:
    """Seeds a second of both, in turns of ten batches."""
    graph = open_graph(folder / "GRAPH")
    arrays = graph.features.arrays
    whole = Data(x=torch.from_numpy(np.array(arrays["x"])), y=graph.features.rows("y"))
    pairs = np.load(folder / "edges.npy", mmap_mode="r")
    whole.edge_index = torch.from_numpy(np.array(pairs)).long()
    both = [Trainer(source, graph.part("train")) for source in (graph, whole)]
    del whole, pairs
    gc.collect()
    taken: list[list[float]] = [[], []]
    for trainer in both:
        trainer.seconds(4)
    for _ in range(max(steps // TURN, 1)):
        for trainer, times in zip(both, taken, strict=True):
            times.append(trainer.seconds(TURN))
    disk, memory = (1024 * TURN / np.median(times) for times in taken)
    return {"seeds": disk, "in memory": memory, "ratio": disk / memory}


def predicting(folder: Path, steps: int) -> dict[str, float]:
    graph, settings = open_graph(folder / "GRAPH"), settings_of()
    reader = layer_by_layer(graph, settings, folder)
    model = model_of(settings).eval()
    return {"nodes": sum(len(nodes) for nodes, _ in reader.blocks(model))}  # type: ignore[arg-type]


CASES = {"pack": packing, "train": training, "memory": beside_memory, "predict": predicting}


def anonymous() -> float:
    """MB of anonymous memory of this process and those that it forked, shared pages in equal parts."""
    total, own = 0, os.getpid()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parent = int(Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1])
                if own in (int(entry), parent):
                    lines = Path(f"/proc/{entry}/smaps_rollup").read_text().splitlines()
                    total += next(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon"))
            except (OSError, StopIteration):  # it has just ended
                continue
    return total / 1024


def measure(case: str, folder: Path, steps: int, group: Path | None) -> dict[str, float]:
    """What a case gives, its seconds, and its peak of memory."""
    torch.set_num_threads(1)
    if group is not None:
        (group / "cgroup.procs").write_text(str(os.getpid()))
    resting, peak, over = anonymous(), [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.2):
            peak[0] = max(peak[0], anonymous() - resting)

    watching = threading.Thread(target=watch)
    watching.start()
    began = time.perf_counter()
    try:
        found = CASES[case](folder, steps)
    finally:
        seconds = time.perf_counter() - began
        over.set()
        watching.join()
    return {"seconds": seconds, "memory": peak[0], **found}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, nargs="+", default=[10**6, 10**7])
    parser.add_argument("--folder", type=Path, default=Path("build/on_disk"))
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--only", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--limit-gb", type=float, default=0.0)
    arguments = parser.parse_args()
    group = limited_group() if arguments.limit_gb else None
    if group is not None:
        group.mkdir(exist_ok=True)
        (group / "memory.limit_in_bytes").write_text(str(int(arguments.limit_gb * 2**30)))
    context = multiprocessing.get_context("spawn")
    print("    edges     case  seconds  memory MB")
    for edges in arguments.edges:
        folder = arguments.folder / str(edges)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "splits.npz").is_file():
            make(folder, edges)
        for case in arguments.only:
            with ProcessPoolExecutor(1, context) as pool:  # whose processes may have workers
                found = pool.submit(
                    measure, case, folder, arguments.steps, None if case == "memory" else group
                ).result()
            seconds, memory = found.pop("seconds"), found.pop("memory")
            more = "  ".join(f"{name} {value:,.2f}" for name, value in found.items())
            print(f"{edges:>9} {case:>8} {seconds:>8.1f} {memory:>10.0f}  {more}", flush=True)


if __name__ == "__main__":
    main()
