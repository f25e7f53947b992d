"""graph.json of a packed graph: what it holds, and the size and checksum of every array."""

import json
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from graphreel.core.atomic_files import write_json

FORMAT = "graphreel packed graph 1"
NAME = "graph.json"
_BLOCK = 1 << 24


@dataclass
class Manifest:
    """What graph.json says.

    Attributes:
        num_nodes, num_edges: of the graph.
        name: what it is called.
        parts: offsets of the ranges of nodes, 0 first and num_nodes last: part p is parts[p] .. parts[p + 1] - 1.
        arrays: for each NAME.npy its bytes and its CRC-32.
        class_names, feature_names, notes: as of a graph in memory.
    """

    num_nodes: int
    num_edges: int
    name: str
    parts: list[int]
    arrays: dict[str, dict[str, Any]] = field(default_factory=dict)
    class_names: list[str] | None = None
    feature_names: list[str] | None = None
    notes: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write it, with the size and the checksum of every array that is in the folder."""
        for file in sorted(folder.glob("*.npy")):
            self.arrays[file.stem] = {"bytes": file.stat().st_size, "crc32": checksum(file)}
        write_json(folder / NAME, {"format": FORMAT, **asdict(self)})

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Read graph.json.

        Raises:
            ValueError: it is damaged, or of another format.
            FileNotFoundError: there is none.
        """
        try:
            content = json.loads((folder / NAME).read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{NAME} of {folder} is no JSON: {error}") from None
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            raise ValueError(f"{NAME} of {folder} does not say {FORMAT!r}")
        try:
            manifest = cls(**content)
            sizes = [manifest.num_nodes, manifest.num_edges, *manifest.parts]
            entries = [entry[key] for entry in manifest.arrays.values() for key in ("bytes", "crc32")]
            fits = all(isinstance(number, int) for number in (*sizes, *entries))
            fits = fits and sizes[2:] == sorted({0, manifest.num_nodes, *sizes[2:]})
        except (TypeError, KeyError, AttributeError):
            fits = False
        if not fits or any(Path(array).name != array for array in manifest.arrays):
            raise ValueError(f"{NAME} of {folder} is damaged: it does not hold what `graphreel data pack` writes there")
        return manifest

    def check(self, folder: Path, arrays: Iterable[str], whole: bool) -> None:
        """See that arrays are there in their size and, if `whole`, with every byte.

        Raises:
            ValueError: one is not.
            FileNotFoundError: one is missing.
        """
        for array in arrays:
            file, said = folder / f"{array}.npy", self.arrays.get(array)
            if said is None:
                raise ValueError(f"{NAME} of {folder} does not list {file.name}")
            size = file.stat().st_size
            if size != said["bytes"]:
                raise ValueError(f"{file} has {size:,} bytes, expected {said['bytes']:,}: it is cut short or damaged")
            if whole and checksum(file) != said["crc32"]:
                raise ValueError(f"{file} is damaged: its checksum is not that of {NAME}; pack the graph again")


def checksum(file: Path) -> int:
    """The CRC-32 of a file."""
    found = 0
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            found = zlib.crc32(block, found)
    return found


def equal_parts(num_nodes: int, parts: int) -> list[int]:
    """Offsets of so many ranges of nodes, which differ in size by one at most.

    Raises:
        ValueError: there are fewer nodes than parts.
    """
    if not 1 <= parts <= num_nodes:
        raise ValueError(f"--parts expects 1 to the {num_nodes} nodes, got {parts}")
    return [num_nodes * part // parts for part in range(parts + 1)]
