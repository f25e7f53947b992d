"""What the report ran on."""

import os
import platform
from pathlib import Path


def describe_machine() -> str:
    """The processor and the number of cores that this process may use, as `AMD EPYC 7B13, 2 cores, Linux`."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{_processor()}, {cores} core{'s'[: cores > 1]}, {platform.system()}"


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
