"""Real data that sections use where it is on disk: below $GRAPHREEL_DATA, or in graphreel's cache."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Wanted:
    """A data set that may be on disk: what it is, where it would be, and what `load` takes."""

    title: str
    places: tuple[str, ...]
    name: str = ""  # empty: `load` takes the path itself


WANTED = {
    "grimm": Wanted("Grimm's fairy tales", ("books/grimms_fairy_tales.txt", "grimms_fairy_tales.txt")),
    "cora": Wanted("Cora", ("Cora/raw/ind.cora.graph", "cora/raw/ind.cora.graph"), "cora"),
    "mutag": Wanted("MUTAG", ("mutag/MUTAG.txt", "MUTAG/raw/MUTAG_A.txt"), "mutag"),
    "jhmdb": Wanted("JHMDB's keypoints", ("jhmdb/jhmdb_split1.npz", "jhmdb_split1.npz")),
    "ut_interaction": Wanted("UT-Interaction's videos", ("ut_interaction",)),
}


def find_data() -> dict[str, str]:
    """What is on disk: key of `WANTED` -> what `graphreel.data.load` takes."""
    from graphreel.data.data_dirs import find

    found: dict[str, str] = {}
    for key, wanted in WANTED.items():
        path: Path | None = find(*wanted.places)
        if path is not None:
            found[key] = wanted.name or str(path)
    return found
