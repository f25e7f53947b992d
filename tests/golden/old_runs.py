"""Interrupted run folders of every kind, kept in runs/: what they give before and after they are resumed."""

import csv
import json
import re
import shlex
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from folders import describe
from inputs import write_inputs
from running import HERE, expect_success, interrupted, play

RUNS = HERE / "runs"


@dataclass(frozen=True)
class OldRun:
    """How a folder was made and what it is asked.

    Attributes:
        train: the training that was interrupted.
        checkpoints: after so many.
        asked: commands that read the folder RUN, before it is resumed and after.
        files: numbers that they leave in it, as .json or .csv.
        written: whether they print text that is drawn by chance.
    """

    train: str
    checkpoints: int
    asked: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    written: bool = False

    @property
    def resume(self) -> str:
        room, command = self.train.split()[:2]
        return f"{room} {command} --resume RUN --quiet"


OLD_RUNS = {
    "nodes-gcn": OldRun("gnn train --data six-node --model gcn --epochs 12 --seeds 2 --hidden 8", 18),
    "nodes-gat": OldRun(
        "gnn train --data six-node --model gat --epochs 12 --seeds 2 --hidden 8",
        18,
        ("gnn attention RUN --node C",),
        ("attention.json",),
    ),
    "graphs-gat": OldRun(
        "gnn train --data alkanes --model gat --epochs 4 --seeds 2 --hidden 8 --heads 2 --norm layer",
        7,
        ("gnn attention RUN --graph 3",),
        ("attention.json",),
    ),
    "task-lstm": OldRun(
        "rnn train --data palindrome --length 3 --steps 12 --evaluate-every 3 --hidden 6 --embedding 4 "
        "--batch-size 16 --seeds 2",
        7,
        ("rnn gates RUN",),
    ),
    "task-peephole": OldRun(
        "rnn train --data baum-sweet --length 3 --cell peephole --steps 12 --evaluate-every 3 --hidden 6 "
        "--embedding 4 --batch-size 16",
        2,
        ("rnn gates RUN --number 2",),
    ),
    "text-lstm": OldRun(
        "rnn train --data book.txt --steps 12 --evaluate-every 3 --hidden 8 --embedding 6 --batch-size 4 --window 10",
        2,
        (
            "rnn generate RUN --prompt 'The raven' --length 40 --seed 1",
            "rnn generate RUN --prompt Seven --length 40 --greedy",
            "rnn gates RUN --text fox",
        ),
        written=True,
    ),
    "clips-keypoints": OldRun(
        "combined train --data clips.npz --spatial gat --epochs 4 --hidden 4 --state 4 --heads 2 --batch-size 8 "
        "--validation 0.2 --frames 6",
        2,
        ("combined predict RUN clip.npz", "combined attention RUN 0"),
        ("attention-0.json",),
    ),
    "series-csv": OldRun(
        "combined train --data sensors.csv --adjacency sensors_adj.csv --epochs 4 --lags 4 --horizon 3 --hidden 6 "
        "--seeds 2",
        6,
        ("combined predict RUN sensors.csv --adjacency sensors_adj.csv",),
        ("forecast.csv",),
    ),
    "series-json": OldRun(
        "combined train --data series.json --memory carried --season 12 --epochs 4 --hidden 6",
        2,
        ("combined predict RUN series.json",),
        ("forecast.csv",),
    ),
    "compare-digits": OldRun(
        "combined compare --data digits --epochs 2 --seeds 1 --hidden 4",
        4,
        ("combined attention RUN 0",),
        ("both/attention-0.json",),
    ),
}


def make(names: Iterable[str], folder: Path) -> None:
    """Train into runs/ anew, in a folder that gets the data, and interrupt."""
    write_inputs(folder)
    for name in names:
        old = OLD_RUNS[name]
        arguments = [*shlex.split(old.train), "--out", name, "--quiet", "--device", "cpu"]
        interrupted(old.checkpoints, arguments, folder)
        shutil.rmtree(RUNS / name, ignore_errors=True)
        shutil.copytree(folder / name, RUNS / name, ignore=shutil.ignore_patterns("*.png"))


def go_on(names: Iterable[str], folder: Path) -> dict[str, dict[str, Any]]:
    """Copy run folders beside their data, ask, resume and ask again; return what they gave, by name.

    Raises:
        AssertionError: a command failed.
    """
    write_inputs(folder)
    steps: list[tuple[str, str, str]] = []
    for name in names:
        for when in ("before", "after"):
            shutil.copytree(RUNS / name, folder / when / name)
        old = OLD_RUNS[name]
        steps += [(name, "before", asked) for asked in old.asked]
        steps += [(name, "after", asked) for asked in (old.resume, *old.asked)]
    commands = [
        [f"{when}/{name}" if word == "RUN" else word for word in shlex.split(asked)] for name, when, asked in steps
    ]
    answers = play(commands, folder)
    for command, answer in zip(commands, answers, strict=True):
        expect_success(command, answer)
    told: dict[str, dict[str, Any]] = {}
    for name in names:
        told[name] = describe(folder / "after" / name)
        for when in ("before", "after"):
            said = [a["out"] for step, a in zip(steps, answers, strict=True) if step[:2] == (name, when)]
            told[name]["figures"][f"answers {when}"] = _answers(folder / when / name, said)
            if OLD_RUNS[name].written:
                told[name]["exactly"][f"written {when}"] = [text for text in said if text and "saved in" not in text]
    return told


def _answers(run: Path, said: list[str]) -> dict[str, Any]:
    """The numbers that commands left in files, and the probabilities that they printed."""
    found: dict[str, Any] = {}
    for file in OLD_RUNS[run.name].files:
        text = (run / file).read_text()
        found[file] = json.loads(text) if file.endswith(".json") else _columns(text)
    shares = re.findall(r"^\s+(\S+)\s+([01]\.\d{3})$", "\n".join(said), re.MULTILINE)
    if shares:
        found["probabilities"] = sorted([name, float(share)] for name, share in shares)
    return found


def _columns(text: str) -> dict[str, list[float]]:
    rows = list(csv.DictReader(text.splitlines()))
    return {name: [float(row[name]) for row in rows] for name in rows[0] if name not in ("step", "time")}
