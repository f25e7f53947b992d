"""Record anew what the golden tests hold the project to.

    python tests/golden/record.py                       # everything
    python tests/golden/record.py names commands        # some of: names, commands, trainings, runs, pickles
    python tests/golden/record.py trainings --only task-lstm,series-csv
    python tests/golden/record.py runs --answers        # keep the folders in runs/, record what they give today
    python tests/golden/record.py pickles --answers     # keep the files in pickles/, likewise

Whatever is recorded is what users rely on: record only what is meant to change, and say so in CHANGELOG.md. Without
--answers, runs and pickles are replaced by ones that today's code makes, and the old ones are no longer tested.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import flags
import names
import old_runs
import pickled
import trainings
from agreement import machine
from running import HERE

PARTS = ("names", "commands", "trainings", "runs", "pickles")


def record(part: str, only: list[str], answers: bool) -> None:
    """Write one of the .json files, and what belongs to it."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if part == "names":
            _write(part, {"signatures": names.signatures(), "states": names.states()})
        elif part == "commands":
            _write(part, flags.walk())
        elif part == "trainings":
            _merge(part, trainings.train(only or trainings.TRAININGS, folder), only)
        elif part == "runs":
            chosen = only or list(old_runs.OLD_RUNS)
            if not answers:
                (folder / "made").mkdir()
                old_runs.make(chosen, folder / "made")
            (folder / "resumed").mkdir()
            _merge(part, old_runs.go_on(chosen, folder / "resumed"), only)
        else:
            if not answers:
                pickled.make(folder)
            _merge(part, _outputs(folder), [])


def _outputs(folder: Path) -> dict[str, Any]:
    import graphreel

    load = getattr(graphreel, "load_pickle", pickled.load)
    return {
        name: {"figures": {"output": pickled.output(name, load(pickled.PICKLES / name).eval(), folder)}, "exactly": {}}
        for name in pickled.models()
    }


def _merge(part: str, found: dict[str, Any], only: list[str]) -> None:
    """Write figures with the machine that gave them; of a part of them, beside the others that are recorded."""
    path = HERE / f"{part}.json"
    others = json.loads(path.read_text()) if only else {}
    _write(part, {**others, **{name: {"machine": machine(), **told} for name, told in found.items()}})


def _write(part: str, content: dict[str, Any]) -> None:
    (HERE / f"{part}.json").write_text(json.dumps(content, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all without any")
    parser.add_argument("--only", default="", help="names of trainings or runs, with commas between")
    parser.add_argument("--answers", action="store_true", help="keep runs/ and pickles/, record what they give")
    given = parser.parse_args()
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"expected parts of {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    for part in given.parts or PARTS:
        record(part, given.only.split(",") if given.only else [], given.answers)
        print(f"{part}.json")


if __name__ == "__main__":
    main()
