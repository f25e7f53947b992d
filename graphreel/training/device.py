"""Which device a training runs on."""

from graphreel.training import ranks


def choose_device(name: str) -> str:
    """auto -> cuda where there is one, else cpu.

    Raises:
        ValueError: torch does not see the device here, or it is one for several processes.
    """
    if name == "cpu":
        return name
    import torch

    if ":" in name and ranks.started()[1] > 1:
        raise ValueError(f"--device {name} is one for {ranks.started()[1]} processes: leave its number out")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    there = torch.backends.mps.is_available() if kind == "mps" else torch.cuda.device_count() > int(number or 0)
    if not there:
        raise ValueError(f"--device {name}: torch sees no such device here; use cpu or auto")
    return name
