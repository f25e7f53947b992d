"""`--config FILE`: settings from a .toml, .yaml or .json, such as the config.json of a run."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from graphreel.core.near_names import did_you_mean
from graphreel.training.option import Setting
from graphreel.training.settings import BESIDE, Settings

_MOST = 1_000_000  # bytes


def read_config(path: Path, kinds: Mapping[str, type[Settings]]) -> dict[str, Any]:
    """The settings in a file, by the names that those of some kinds of training have for them.

    A flag's other names (lr, steps) and dashes are understood. A run's config.json stands for what that run did, also
    in settings that did not exist yet when it was made.

    Raises:
        ValueError: no table of settings, an unknown one, one named twice, a refused value, or a run of another kind.
        OSError: it cannot be read.
    """
    content = _parsed(path)
    if not isinstance(content, dict):
        raise ValueError(f"--config expects settings by name in {path}, got a {type(content).__name__}")
    known: dict[str, Setting] = {}
    for one in reversed(list(kinds.values())):
        known |= one.shown()
    names = {alias.lstrip("-").replace("-", "_"): name for name, one in known.items() for alias in one.names}
    names |= {name: name for name in known}
    if "format" in content:
        content = _of_run(content, path, kinds)
    found: dict[str, Any] = {}
    for key, value in content.items():
        name = names.get(str(key).replace("-", "_"))
        if name is None:
            raise ValueError(f"{path} holds the unknown setting {key}{did_you_mean(str(key), names)}")
        if name in found:
            raise ValueError(f"{path} sets {name} twice, as {key} too")
        if value is None and not known[name].may_be_none:
            raise ValueError(f"{path}: {key} expects a value, got none")
        found[name] = _number(value) if known[name].kind is float else value
        _check(found[name], [one.shown()[name] for one in kinds.values() if name in one.shown()], path)
    return found


def _check(value: Any, settings: list[Setting], path: Path) -> None:
    """See that one of the kinds of training takes a value, while it is known which file it comes from."""
    for one in settings:
        try:
            one.accepted(value)
            return
        except ValueError as error:
            refused = error
    raise ValueError(f"{path}: {refused}") from None


def _of_run(content: dict[str, Any], path: Path, kinds: Mapping[str, type[Settings]]) -> dict[str, Any]:
    """What a command may set of a run's config.json."""
    kind = str(content.get("kind", content.get("room")))
    if kind not in kinds:
        raise ValueError(f"{path} is of a run of the kind {kind}, but this command trains {' and '.join(kinds)}")
    settings = kinds[kind].options()
    before = {name: one.before for name, one in settings.items() if one.before is not MISSING}
    unset = BESIDE | (settings.keys() - kinds[kind].shown().keys())
    return {name: value for name, value in {**before, **content}.items() if name not in unset}


def _parsed(path: Path) -> Any:
    suffix = path.suffix.lower()
    if suffix not in (".toml", ".yaml", ".yml", ".json"):
        raise ValueError(f"--config expects a .toml, .yaml or .json, got {path.name}")
    if not path.is_file():
        raise FileNotFoundError(2, "no such file", str(path))
    if path.stat().st_size > _MOST:
        raise ValueError(f"--config expects at most {_MOST:,} bytes, got {path.stat().st_size:,} in {path}")
    try:
        text = path.read_text(encoding="utf-8-sig")
        if suffix == ".toml":
            return tomllib.loads(text)
        if suffix == ".json":
            return json.loads(text, object_pairs_hook=_once)
        return _yaml(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not valid {suffix[1:].upper()}: {error}") from None


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands in it twice")
    return found


def _number(value: Any) -> Any:
    """YAML takes 1e-3, without a dot, for a text."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
