"""Whether figures are those recorded: to the last digit on the machine that recorded them, nearly so elsewhere."""

import math
import platform
from pathlib import Path
from typing import Any

import torch

RELATIVE, ABSOLUTE = 1e-4, 1e-6


def machine() -> dict[str, str]:
    """What the last digits hang on: processor and torch."""
    known = {}
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            name, _, value = line.partition(":")
            known.setdefault(name.strip(), value.strip())
    processor = [known.get(name, "?") for name in ("model name", "cpu family", "model")]
    return {
        "processor": ", ".join(processor) if known else platform.processor() or platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
    }


def differences(found: Any, recorded: Any, exactly: bool, at: str = "") -> list[str]:
    """Where `found` differs from `recorded`, in words. What is not recorded may be there."""
    if isinstance(recorded, dict) and isinstance(found, dict):
        lacking = [f"{at}.{key} is gone" for key in recorded if key not in found]
        pairs = [(key, found[key], recorded[key]) for key in recorded if key in found]
        return lacking + [line for key, a, b in pairs for line in differences(a, b, exactly, f"{at}.{key}")]
    if isinstance(recorded, list) and isinstance(found, list):
        if len(recorded) != len(found):
            return [f"{at} has {len(found)} entries, recorded were {len(recorded)}"]
        entries = enumerate(zip(found, recorded, strict=True))
        return [line for i, (a, b) in entries for line in differences(a, b, exactly, f"{at}[{i}]")]
    if _is_number(recorded) and _is_number(found):
        near = found == recorded or (math.isnan(found) and math.isnan(recorded))
        if not exactly:
            near = near or math.isclose(found, recorded, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
        return [] if near else [f"{at} is {found!r}, recorded was {recorded!r}"]
    return [] if found == recorded else [f"{at} is {found!r}, recorded was {recorded!r}"]


def expect_recorded(found: dict[str, Any], recorded: dict[str, Any]) -> None:
    """Hold {"figures", "exactly"} against a record of them, which also names its `machine`.

    "figures" are compared everywhere, "exactly" (hashes, texts that are drawn) on the machine that recorded them alone.
    """
    same = machine() == recorded["machine"]
    told = differences(found["figures"], recorded["figures"], same)
    if same:
        told += differences(found["exactly"], recorded["exactly"], True)
    where = "the recording machine: to the last digit" if same else "another machine: 1e-4"
    assert not told, f"{len(told)} differences ({where}):\n" + "\n".join(told[:20])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
