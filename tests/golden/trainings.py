"""One very short training of every kind."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from folders import describe
from inputs import write_inputs
from running import expect_success, play

CLIPS = "--hidden 8 --state 8 --heads 2"
TRAININGS = {
    "nodes-gcn": "gnn train --data six-node --model gcn --epochs 12 --seeds 2",
    "nodes-gat": "gnn train --data six-node --model gat --epochs 12 --seeds 2",
    "graphs-gcn": "gnn train --data alkanes --model gcn --epochs 3 --seeds 2 --hidden 8 --norm none",
    "graphs-gcn-batch-norm": "gnn train --data alkanes --model gcn --epochs 3 --seeds 2 --hidden 8",
    "task-lstm": "rnn train --data palindrome --length 3 --cell lstm --steps 8 --evaluate-every 4 --hidden 8 "
    "--embedding 4 --batch-size 16",
    "text-lstm": "rnn train --data book.txt --steps 9 --evaluate-every 3 --hidden 8 --embedding 6 --batch-size 4 "
    "--window 10",
    "clips-digits": f"combined train --data digits --epochs 1 {CLIPS}",
    "clips-keypoints": f"combined train --data clips.npz --epochs 3 {CLIPS} --batch-size 8 --validation 0.15",
    "series-csv": "combined train --data sensors.csv --adjacency sensors_adj.csv --epochs 2 --lags 4 --horizon 3 "
    "--hidden 8 --seeds 2",
    "series-json": "combined train --data series.json --memory carried --season 12 --epochs 3 --hidden 8",
    "compare-digits": "combined compare --data digits --epochs 1 --seeds 1 --hidden 8",
}
# Biases ahead of a batch normalisation have gradients of rounding alone, which Adam makes as large as any: on another
# machine they go another way.
ON_ONE_MACHINE = {"graphs-gcn-batch-norm"}


def train(names: Iterable[str], folder: Path) -> dict[str, dict[str, Any]]:
    """Run trainings in a folder; return what each run folder holds, by name.

    Raises:
        AssertionError: one of them failed.
    """
    write_inputs(folder)
    names = list(names)
    commands = [[*shlex.split(TRAININGS[name]), "--out", name, "--quiet", "--device", "cpu"] for name in names]
    for command, answer in zip(commands, play(commands, folder), strict=True):
        expect_success(command, answer)
    told = {name: describe(folder / name) for name in names}
    for name in ON_ONE_MACHINE & set(names):
        told[name]["exactly"]["figures"] = told[name].pop("figures")
        told[name]["figures"] = {}
    return told
