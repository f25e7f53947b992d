"""What a run folder holds: its keys, its figures, a hash of its weights."""

import csv
import hashlib
import json
from pathlib import Path
from typing import Any

import torch

_TIMES = ("seconds", "refit_seconds")
_ORIGIN = ("versions", "git_commit")


def describe(folder: Path) -> dict[str, Any]:
    """The run folder and those inside it, as {"keys", "figures", "exactly"}, each by the folder's relative path."""
    told: dict[str, Any] = {"keys": {}, "figures": {}, "exactly": {}}
    for config in sorted(folder.rglob("config.json")):
        name = config.parent.relative_to(folder).as_posix()
        for part, content in _one(config.parent).items():
            told[part][name] = content
    return told


def _one(folder: Path) -> dict[str, Any]:
    config, metrics = _json(folder / "config.json"), _json(folder / "metrics.json")
    keys = {"config": paths(config), "metrics": paths(metrics)}
    figures = {
        "config": {key: value for key, value in config.items() if key not in _ORIGIN},
        "metrics": without_times(metrics),
    }
    exactly = {}
    if (folder / "history.csv").exists():
        with (folder / "history.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        keys["history"] = list(rows[-1])
        figures["last_row"] = {key: float(value) for key, value in rows[-1].items() if value}
    if (folder / "checkpoint.pt").exists():
        checkpoint = torch.load(folder / "checkpoint.pt", weights_only=True)
        keys["checkpoint"] = sorted(checkpoint)
        keys["model"] = list(checkpoint["model"])
        exactly["weights"] = weights_hash(checkpoint["model"])
    return {"keys": keys, "figures": figures, "exactly": exactly}


def lacking(found: dict[str, Any], recorded: dict[str, Any]) -> list[str]:
    """The recorded keys that are gone; a model's keys must be the same, in the same order."""
    told = []
    for folder, files in recorded.items():
        for file, keys in files.items():
            present = found.get(folder, {}).get(file, [])
            if file == "model" and keys != present:
                told.append(f"{folder}: the model's state dict has the keys {present}, recorded were {keys}")
            told += [f"{folder}: {file} has no {key}" for key in keys if key not in present]
    return told


def paths(value: Any, at: str = "") -> list[str]:
    """The keys of nested JSON, as a.b and a[].b."""
    if isinstance(value, dict):
        return sorted({path for key, inner in value.items() for path in paths(inner, f"{at}.{key}" if at else key)})
    if isinstance(value, list):
        inside = {path for inner in value for path in paths(inner, f"{at}[]")}
        return sorted(inside) or [f"{at}[]"]
    return [at]


def without_times(value: Any) -> Any:
    """Nested JSON without the entries that say how long something took."""
    if isinstance(value, dict):
        return {key: without_times(inner) for key, inner in value.items() if key not in _TIMES}
    return [without_times(inner) for inner in value] if isinstance(value, list) else value


def weights_hash(state: dict[str, torch.Tensor]) -> str:
    """SHA-256 of names, kinds, shapes and bytes of a state dict."""
    whole = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        whole.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        whole.update(tensor.detach().contiguous().numpy().tobytes())
    return whole.hexdigest()


def _json(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.exists() else {}
