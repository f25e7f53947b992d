"""`train_in_ranks.py COUNT NAME ...`: trainings by one process and by several forks of it end with the same figures."""

import os
import socket
import sys
import traceback
from dataclasses import replace
from pathlib import Path

import torch
from every_training import left_by, settings_of

from graphreel.experiments import start
from graphreel.training import ranks
from graphreel.training.synced_norm import synchronize

# dropout differs from rank to rank. A bias before a batch norm has no gradient but rounding, which Adam makes steps of:
# `batch_norm` looks at these apart
EXACT = {
    "nodes": {"input_dropout": 0.0},
    "links": {"input_dropout": 0.0},
    "sampled nodes": {"input_dropout": 0.0, "neighbors": "-1,-1"},
    "graphs": {"blend": False, "members": 2, "norm": "layer", "jumping": False},
    "text": {"carried": True, "averaging": 0.9, "weight_dropout": 0.0},
    "clips": {"class_weights": "balanced", "convolve": 0, "standardize": False},
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
            except Exception:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
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


def batch_norm(count: int) -> None:
    """Values, gradients and running figures over shares, of which one is empty, are those of the whole batch."""
    x, given = torch.randn(count - 1, 3), torch.randn(count - 1, 3)
    plain, model = torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    whole = x.clone().requires_grad_()
    if count > 2:
        (plain(whole) * given).sum().backward()

    def check() -> None:
        with ranks.joined():
            synchronize(model)
            own = x.clone().requires_grad_()
            y = model(ranks.share(own))
            (y * ranks.share(given) * ranks.weight()).sum().backward()
            if count == 2:  # a single row: the running figures, which stay as they are
                torch.testing.assert_close(y, ranks.share(x) / (1 + model.eps) ** 0.5)
                assert model.running_mean.eq(0).all()
                return
            total = sum(ranks.gather(own.grad))
            torch.testing.assert_close(total, whole.grad, rtol=1e-10, atol=1e-12)
            torch.testing.assert_close(sum(ranks.gather(model.weight.grad)), plain.weight.grad, rtol=1e-10, atol=1e-12)
            for key, value in plain.state_dict().items():
                torch.testing.assert_close(model.state_dict()[key], value, rtol=1e-10, atol=1e-12)

    in_ranks(count, check)


def main() -> None:
    double = "--double" in sys.argv
    count, *names = [word for word in sys.argv[1:] if word != "--double"]
    count, within, worst = int(count), 1e-5, 0.0
    if double:
        torch.set_default_dtype(torch.float64)
        torch.Tensor.float, within = torch.Tensor.double, 1e-10
    for name in names:
        if name == "batch norm":
            batch_norm(2)
            batch_norm(4)
            continue
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
