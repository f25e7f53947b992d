"""What of a path tells that texts or labelled sequences are there; nothing is imported that reads them."""

import json
import re
import zipfile
from pathlib import Path


def is_text(path: Path) -> bool:
    """A file of any name but those of tables and graphs, whose beginning holds no zero byte, or is UTF-16."""
    if not path.is_file() or path.suffix.lower() in {".csv", ".tsv", ".json", ".jsonl", ".graphml", ".gml", ".gz"}:
        return False
    with path.open("rb") as file:
        start = file.read(4096)
    return b"\0" not in start or start.startswith((b"\xff\xfe", b"\xfe\xff"))


def _is_text_folder(path: Path) -> bool:
    return path.is_dir() and any(is_text(one) for one in path.iterdir() if one.name[0] != ".")


def _holds_classes(path: Path) -> bool:
    """A folder with two folders or more and no files, in each of which texts are; or with such a folder, train."""
    place = path / "train" if (path / "train").is_dir() else path
    inside = [one for one in place.iterdir() if one.name[0] != "."] if path.is_dir() else []
    return len(inside) > 1 and all(_is_text_folder(one) for one in inside)


def names_of_arrays(path: Path) -> set[str]:
    """What the arrays of a .npz are called; nothing of a file that is none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except Exception:  # a damaged archive fails in many ways
        return set()


def is_labelled(path: Path) -> bool:
    """Labels, and beside them texts, tokens or values: columns of a table, keys of JSON lines, or arrays."""
    suffix = path.suffix.lower()
    if suffix == ".npz":
        names = names_of_arrays(path)
        return bool(names & {"labels", "label", "y"}) and bool(names & {"values", "tokens"})
    if suffix not in {".csv", ".tsv", ".jsonl", ".ndjson"} or not path.is_file():
        return _holds_classes(path)
    names = _names_in(path)
    contents = {"text", "sentence", "review", "tokens", "sequence", "values", "signal"}
    steps = "id" in names and names & {"step", "time", "order", "position"}
    return bool(names & {"label", "class", "category"}) and bool(names & contents or steps)


def _names_in(path: Path) -> set[str]:
    """The words of a table's first row, or the keys of the first JSON line."""
    with path.open("rb") as file:
        line = file.readline(2**20).decode("utf-8", "replace")
    if path.suffix.lower() in {".csv", ".tsv"}:
        return {word.lower() for word in re.findall(r"\w+", line)}
    try:
        row = json.loads(line)
    except ValueError:
        return set()
    return {str(key).lower() for key in row} if isinstance(row, dict) else set()


def is_texts(path: Path) -> bool:
    """A text; a folder of them; JSON lines with texts and no labels."""
    if path.suffix.lower() in {".jsonl", ".ndjson"} and path.is_file():
        return "text" in _names_in(path) and not is_labelled(path)
    return is_text(path) or _is_text_folder(path)
