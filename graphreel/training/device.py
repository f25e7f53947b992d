"""Which device a training runs on."""


def choose_device(name: str) -> str:
    """auto -> cuda where there is one, else cpu.

    Raises:
        ValueError: torch does not see the device here.
    """
    if name == "cpu":
        return name
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    there = torch.backends.mps.is_available() if kind == "mps" else torch.cuda.device_count() > int(number or 0)
    if not there:
        raise ValueError(f"--device {name}: torch sees no such device here; use cpu or auto")
    return name
