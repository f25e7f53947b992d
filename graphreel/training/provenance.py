"""What a run was made with."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from graphreel import __version__


def provenance() -> dict[str, Any]:
    """Versions of what ran, and the git commit of a source checkout (None where it is an installed package)."""
    return {
        "versions": {
            "graphreel": __version__,
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("torch", "torch-geometric", "numpy")},
        },
        "git_commit": _git_commit(),
    }


def _git_commit() -> str | None:
    source = Path(__file__).resolve().parents[2]
    if not (source / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(source), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
