"""`train_in_ranks.py COUNT NAME ...`: trainings by one process and by several forks of it end with the same figures."""

import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

import torch
from every_training import left_by, settings_of

from graphreel.experiments import start

# what is random differs from rank to rank; three does not divide the batches
EXACT = {
    "nodes": {"input_dropout": 0.0, "norm": "batch"},
    "sampled nodes": {"input_dropout": 0.0, "neighbors": "-1,-1"},
    "graphs": {"blend": False, "members": 2},
    "text": {"carried": True, "averaging": 0.9, "weight_dropout": 0.0},
    "clips": {"class_weights": "balanced", "convolve": 3, "drop_features": 0.0},
    "series": {"embed": False},
}


def in_ranks(count: int, work) -> None:
    """Do some work in so many forks of this process, as torchrun would start them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(count):
        child = os.fork()
        if child == 0:
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank)}
            code = 1
            try:
                work()
                code = 0
            finally:
                sys.stderr.flush()
                os._exit(code)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0] * count, codes


def apart(one, many, place: str = "") -> tuple[float, str]:
    """The largest difference of nested figures, and where it is."""
    if isinstance(one, dict):
        return max(apart(one[key], many[key], f"{place} {key}") for key in one.keys() | many.keys())
    if isinstance(one, list | tuple):
        return max(
            (apart(a, b, f"{place} {i}") for i, (a, b) in enumerate(zip(one, many, strict=True))), default=(0.0, "")
        )
    return (abs(one - many) / max(1.0, abs(one)), place) if isinstance(one, float) else (float(one != many), place)


def main() -> None:
    count, within = int(sys.argv[1]), 1e-5
    if os.environ.get("DOUBLE"):
        torch.set_default_dtype(torch.float64)
        torch.Tensor.float, within = torch.Tensor.double, 1e-10
    worst = 0.0
    for name in sys.argv[2:]:
        settings = settings_of(name, **EXACT.get(name, {}))
        settings = replace(settings, dropout=0.0) if "dropout" in settings.options() else settings
        one, many = Path(f"{name}-one"), Path(f"{name}-many")
        start(settings, one, quiet=True)
        in_ranks(count, lambda settings=settings, many=many: start(settings, many, quiet=True))
        found, place = apart(left_by(one, 0), left_by(many, 0))
        print(f"{name}: {count} ranks and one process differ by {found:.2g} at most, in{place}")
        worst = max(worst, found)
        assert {path.name for path in one.iterdir()} == {path.name for path in many.iterdir()}
    assert worst <= within


if __name__ == "__main__":
    main()
