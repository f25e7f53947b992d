"""Memory and time of training a GCN on the whole graph and on sampled neighbourhoods.

    python -m benchmarks.neighbor_memory [--edges 100000 1000000 10000000] [--allocator default|tuned]

Each case runs in a process of its own. "resting" is that process with graph and features loaded, "above" its peak
beyond that, with the sampler's sorted edges and the optimiser included. A step of the sampled case is one batch.
"""

import argparse
import multiprocessing

from graphreel.report.questions.q3_1.memory import (
    BATCH,
    CLASSES,
    FAN_OUT,
    FEATURES,
    HIDDEN,
    KINDS,
    NODES_PER_EDGE,
    measure,
)
from graphreel.training.allocator import tune_allocator


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edges", type=int, nargs="+", default=[10**5, 10**6, 10**7])
    parser.add_argument("--allocator", choices=["default", "tuned"], default="default")
    arguments = parser.parse_args()
    print(f"GCN {FEATURES} -> {HIDDEN} -> {CLASSES}, average degree {1 / NODES_PER_EDGE:.0f}, power-law degrees;")
    print(f"sampled: batches of {BATCH} seeds, fan-out {list(FAN_OUT)}; allocator {arguments.allocator}")
    print("     edges  training  resting MB  above MB  ms a step  sampling ms  ratio")
    context = multiprocessing.get_context("spawn")
    for edges in arguments.edges:
        above = {}
        for kind in KINDS:
            with context.Pool(1) as pool:
                figures = pool.apply(measure_with, (kind, edges, arguments.allocator))
            above[kind] = figures["above"]
            ratio = f"{above['full'] / max(above['sampled'], 1e-9):.1f}x" if kind == "sampled" else ""
            sampling = f"{figures['sampling']:.1f}" if kind == "sampled" else ""
            print(
                f"{edges:>10} {kind:>9} {figures['resting']:>11.0f} {figures['above']:>9.0f} {figures['step']:>10.1f} "
                f"{sampling:>12} {ratio:>6}",
                flush=True,
            )


def measure_with(kind: str, edges: int, allocator: str) -> dict[str, float]:
    """`measure` under an allocator."""
    if allocator == "tuned":
        tune_allocator()
    return measure(kind, edges)


if __name__ == "__main__":
    main()
