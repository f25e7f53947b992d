"""`graphreel doctor`: what a report of a fault needs, and what is missing and how to get it."""

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import typer

from graphreel import __version__
from graphreel.data.data_dirs import search_folders

_VARIABLES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "MALLOC_TRIM_THRESHOLD_", "CUDA_VISIBLE_DEVICES")


def doctor() -> None:
    """Print versions, threads, memory, devices, data folders and extras; end with 2 if a needed package is missing."""
    needed, extras = _packages()
    missing = [name for name in needed if _version(name) is None]
    lines = [*_versions(needed), *([] if "torch" in missing else [*_machine(), *_devices()]), *_data(), *_of(extras)]
    width = max(len(name) for name, _ in lines) + 2
    for name, value in lines:
        typer.echo(f"  {name:<{width}}{value}")
    if missing:
        raise ValueError(f"missing {', '.join(missing)}: pip install {' '.join(missing)}")


def _packages() -> tuple[list[str], dict[str, list[str]]]:
    """What graphreel needs, and what each extra brings, as its own metadata have it."""
    needed: list[str] = []
    extras: dict[str, list[str]] = {}
    for line in metadata.requires("graphreel") or ():
        found = re.match(r"[\w.-]+", line)
        extra = re.search(r"extra == ['\"]([\w-]+)", line)
        if found:
            (extras.setdefault(extra[1], []) if extra else needed).append(found[0])
    return needed, extras


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _versions(needed: list[str]) -> Iterator[tuple[str, str]]:
    yield "graphreel", f"{__version__} in {Path(__file__).resolve().parents[1]}"
    yield "python", f"{platform.python_version()} in {sys.prefix}"
    for name in needed:
        yield name, _version(name) or f"missing: pip install {name}"


def _machine() -> Iterator[tuple[str, str]]:
    import torch

    yield "system", f"{platform.system()} {platform.release()}, {platform.machine()}"
    yield "cores", f"{os.cpu_count()}, torch computes on {torch.get_num_threads()} threads"
    yield "instructions", torch.backends.cpu.get_cpu_capability()
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        yield "memory", f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GB"
    yield "free disk here", f"{shutil.disk_usage('.').free / 2**30:.1f} GB"
    for name in _VARIABLES:
        if name in os.environ:
            yield name, os.environ[name]
    yield "allocator", os.environ.get("LD_PRELOAD") or "the C library's"


def _devices() -> Iterator[tuple[str, str]]:
    import torch

    count = torch.cuda.device_count()
    for number in range(count):
        yield f"cuda:{number}", torch.cuda.get_device_name(number)
    if not count:
        built = f"this torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "this torch is for CPUs"
        yield "cuda", f"none ({built})"
    if torch.backends.mps.is_available():
        yield "mps", "available"


def _data() -> Iterator[tuple[str, str]]:
    for folder in search_folders():
        yield "data folder", f"{folder}{'' if folder.is_dir() else ' (not there)'}"


def _of(extras: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    for extra, names in extras.items():
        missing = [name for name in names if _version(name) is None]
        yield (
            f"[{extra}]",
            f"missing {', '.join(missing)}: pip install 'graphreel[{extra}]'" if missing else "installed",
        )
