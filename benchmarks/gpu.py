"""The layers on a GPU: its tests, then times and memory beside PyG, cuSPARSE, cuDNN and plain loops, in six minutes.

python -m benchmarks.gpu [--dry-run]

Results and gradients are compared before each timing; a time is the median of alternating rounds, forward and backward.
Without a GPU it says so and exits with 2. --dry-run runs it all on the CPU with tiny sizes: the figures mean nothing.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch_geometric
import torch_geometric.nn as pyg
from torch import Tensor, nn

from benchmarks.compiled import step
from benchmarks.rnn import Plain, alternating
from graphreel import gnn, rnn

TESTS = Path(__file__).parent.parent / "tests" / "gpu" / "test_cards.py"
SECONDS, SECONDS_OF_TESTS = 280, 120  # a line is not begun after the former; what is compiled takes a while
GRAPHS = ((50_000, 1_000_000), (200_000, 10_000_000))
WIDTH, HEADS = 64, 4
SEQUENCES = ((100, 64, 512), (30, 16, 128))
Program = Callable[[], object]


def run_tests(device: str) -> None:
    """The tests that need a GPU, in a process of their own."""
    environment = os.environ | {"GRAPHREEL_TEST_DEVICE": device}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(TESTS)]
    command += ["-k", "not compiled"] if device == "cpu" else []
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS_OF_TESTS)
        lines = done.stdout.strip().splitlines()
        print(*(line for line in lines if line.startswith(("FAILED", "ERROR"))), lines[-1], sep="\n", flush=True)
    except subprocess.TimeoutExpired:
        print(f"the tests were stopped after {SECONDS_OF_TESTS} s", flush=True)


def peak(program: Program, device: str) -> str:
    """The memory of one call above what is held before it."""
    if device == "cpu":
        return "-"
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    program()
    torch.cuda.synchronize()
    return f"{(torch.cuda.max_memory_allocated() - before) / 2**20:.0f} MiB"


def table(work: str, programs: dict[str, Program], device: str, compare: int) -> None:
    """Print each program's time and peak; the first ``compare`` must give what the first one does."""
    peaks: dict[str, str] = {}
    expected: object = None
    for name, program in list(programs.items()):
        try:
            found = program()
            if len(peaks) < compare:
                expected = found if expected is None else expected
                torch.testing.assert_close(found, expected, rtol=2e-2, atol=2e-2)
            del found
            peaks[name] = peak(program, device)
        except (
            Exception
        ) as error:  # out of memory, not compiled, or different: the other figures are wanted all the same
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            print(f"{work:44} {name:22} {reason}", flush=True)
            del programs[name]
    del expected
    times = alternating(list(programs.values()), device)
    for (name, shown), spent in zip(peaks.items(), times, strict=True):
        print(f"{work:44} {name:22} {spent:9.2f} ms {spent / times[0]:7.2f}x {shown:>12}", flush=True)


def product(layer: nn.Module, x: Tensor, edge_index: Tensor) -> Program:
    """What a GCN layer cannot do without: products with a matrix and its transpose, sorted beforehand, by cuSPARSE."""
    matrix = gnn.normalized_adjacency(edge_index, num_nodes=x.size(0), sparse=True)
    transposed = matrix.to_sparse_coo().t().coalesce().to_sparse_csr()
    weight = layer.lin.weight.detach()

    def run() -> list[Tensor]:
        h = torch.sparse.mm(matrix, x.detach() @ weight.t())
        grad = torch.sparse.mm(transposed, h)
        return [h, grad @ weight, grad.t() @ x.detach()]

    return run


def graph_lines(device: str, graphs: tuple[tuple[int, int], ...]) -> Iterator[Callable[[], None]]:
    for nodes, edges in graphs:
        for name in ("GCNConv", "GATConv", "GATv2Conv"):
            yield lambda nodes=nodes, edges=edges, name=name: graph_line(device, nodes, edges, name)


def graph_line(device: str, nodes: int, edges: int, name: str) -> None:
    edge_index, x = torch.randint(nodes, (2, edges), device=device), torch.randn(nodes, WIDTH, device=device)
    sizes, options = (WIDTH, WIDTH), {}
    if name != "GCNConv":
        sizes, options = (WIDTH, WIDTH // HEADS), {"heads": HEADS}
    ours, theirs = (getattr(room, name)(*sizes, **options).to(device) for room in (gnn, pyg))
    theirs.load_state_dict(ours.state_dict())
    programs = {"ours": step(ours, x, edge_index), "PyG": step(theirs, x, edge_index)}
    programs["PyG compiled"] = step(torch.compile(theirs), x, edge_index)
    if name == "GCNConv":
        programs["the products alone"] = product(ours, x, edge_index)
    table(f"{name}, {nodes:,} nodes, {edges:,} edges", programs, device, compare=3)


def recurrent_line(device: str, steps: int, batch: int, hidden: int, name: str) -> None:
    x = torch.randn(steps, batch, hidden, device=device)
    ours, theirs = (getattr(room, name)(hidden, hidden).to(device) for room in (rnn, nn))
    theirs.load_state_dict(ours.state_dict())
    programs = {"ours": step(ours, x), "torch.nn": step(theirs, x)}
    table(f"{name}, T={steps}, batch {batch}, hidden {hidden}", programs, device, compare=2)


def peephole_line(device: str, steps: int, batch: int, hidden: int, **options: object) -> None:
    layer = rnn.PeepholeLSTM(hidden, hidden, **options).to(device)  # type: ignore[arg-type]
    x = torch.randn(steps, batch, hidden, device=device)
    programs = {"ours": step(layer, x), "plain loop": step(Plain(layer), x)}
    said = "".join(f", {option}={value}" for option, value in options.items())
    table(f"peephole{said}, T={steps}, {batch} x {hidden}", programs, device, compare=2)


def sequence_lines(device: str, sequences: tuple[tuple[int, int, int], ...]) -> Iterator[Callable[[], None]]:
    for sizes in sequences:
        yield lambda sizes=sizes: recurrent_line(device, *sizes, "LSTM")
        yield lambda sizes=sizes: peephole_line(device, *sizes)
    sizes = sequences[0]
    yield lambda: peephole_line(device, *sizes, variant="uva")
    yield lambda: peephole_line(device, *sizes, layer_norm=True)
    yield lambda: recurrent_line(device, *sizes, "GRU")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true", help="on the CPU, with tiny sizes")
    dry = parser.parse_args().dry_run
    if not dry and not torch.cuda.is_available():
        print("There is no CUDA device here, so nothing was measured (--dry-run tries the program itself).")
        sys.exit(2)
    start, device = time.perf_counter(), "cpu" if dry else "cuda"
    card = "a dry run on the CPU, whose figures mean nothing" if dry else torch.cuda.get_device_name()
    print(f"{card}; torch {torch.__version__}, PyG {torch_geometric.__version__}")
    run_tests(device)
    print(f"{'work':44} {'by':22} {'time':>12} {'of ours':>8} {'peak above':>12}")
    graphs = ((200, 1000),) if dry else GRAPHS
    sequences = ((5, 2, 8), (3, 2, 4)) if dry else SEQUENCES
    # the small graphs and the sequences first: what does not fit into six minutes is said
    parts = [graph_lines(device, graphs[:1]), sequence_lines(device, sequences), graph_lines(device, graphs[1:])]
    for line in (line for part in parts for line in part):
        if time.perf_counter() - start > SECONDS:
            print("the six minutes are over: the rest was left out")
            break
        line()
        if device == "cuda":
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
