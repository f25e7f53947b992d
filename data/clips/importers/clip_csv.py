"""One CSV for each clip: a row for each frame with a column for each number of a joint, or a row for each joint."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from .coco import pairs_of
from .recording import Recording, Seen

_AXES = {"x": "x", "y": "y", "z": "z", "v": "score", "s": "score", "c": "score"}
_AXES |= {name: "score" for name in ("score", "confidence", "likelihood", "visibility")}
_AXIS = "|".join(sorted(_AXES, key=len, reverse=True))
_COLUMN = re.compile(rf"^(?:({_AXIS})[_ .]?(\d+|(?<=[_ .]).+)|(.+?)[_ .]({_AXIS}))$")
_FRAME, _WHO, _JOINT = ("frame", "time", "t"), ("person", "who", "track", "id"), ("joint", "keypoint", "landmark")


def recognises(path: Path) -> bool:
    """A .csv whose head names a joint's x and y: `nose_x,nose_y` or `x0,y0`, or `frame,joint,x,y`."""
    if path.suffix.lower() != ".csv" or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        names = [name.strip().lower() for name in file.readline().split(",")]
    found = {parsed[0] for parsed in map(_parsed, names) if parsed}
    return {"x", "y"} <= found or ({"x", "y"} <= set(names) and _first(names, _JOINT) is not None)


def read(path: Path) -> Recording:
    """One clip. Columns `frame` and `person` are optional; z is a depth; confidence, likelihood and v are scores.

    Joints are in the order of their columns, or as they first come where every row is one joint. Names with left and
    right in them are pairs.

    Raises:
        ValueError: a joint has no column of x or of y.
    """
    table = pd.read_csv(path, skipinitialspace=True, encoding="utf-8-sig")
    table.columns = pd.Index([str(name).strip().lower() for name in table.columns])
    joint, frame, who = (_first(list(table), names) for names in (_JOINT, _FRAME, _WHO))
    by_joint = joint is not None and {"x", "y"} <= set(table)
    index = [table[frame] if frame else pd.Series(0 if by_joint else range(len(table)), table.index, name="frame")]
    index.append(table[who].astype(str) if who else pd.Series("", table.index, name="person"))
    if by_joint:
        axes = {name: _AXES[name] for name in table if name in _AXES}
        names = list(table[joint].unique())
        wide = table[list(axes)].rename(columns=axes).set_index([*index, table[joint]]).unstack()
    else:
        columns = {name: parsed for name in table if (parsed := _parsed(name))}
        names = list(dict.fromkeys(joint for _, joint in columns.values()))
        wide = table[list(columns)].set_axis(pd.MultiIndex.from_tuples(columns.values()), axis=1).set_index(index)
    lacking = next(((n, a) for n in names for a in "xy" if (a, n) not in wide), None)
    if lacking:
        raise ValueError(f"{path.name} has no column of {lacking[1]} of the joint {lacking[0]}")
    depth = "z" in wide
    joints = np.stack([wide[a].reindex(columns=names) for a in ("xyz" if depth else "xy")], axis=2).astype(np.float64)
    scores = wide["score"].reindex(columns=names).to_numpy() if "score" in wide else np.ones(joints.shape[:2])
    scores = np.where(np.isfinite(joints).all(2), np.nan_to_num(scores), 0)
    when = wide.index.get_level_values(0)
    places = when - when.min() if pd.api.types.is_integer_dtype(when) else when.unique().sort_values().get_indexer(when)
    frames: list[list[Seen]] = [[] for _ in range(int(max(places)) + 1)]
    for t, person, own, seen in zip(places, wide.index.get_level_values(1), joints, scores, strict=True):
        frames[t].append(Seen(own, seen.astype(np.float64), person or None))
    return Recording(frames, depth, pairs=pairs_of([str(name) for name in names]) or None)


def _parsed(name: str) -> tuple[str, str] | None:
    """The axis and the joint of a column."""
    found = _COLUMN.match(name)
    if found is None:
        return None
    axis, joint = (found[1], found[2]) if found[1] else (found[4], found[3])
    return _AXES[axis], joint


def _first(names: list[str], known: tuple[str, ...]) -> str | None:
    return next((name for name in known if name in names), None)
