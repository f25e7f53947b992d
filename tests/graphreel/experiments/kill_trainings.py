"""`kill_trainings.py ROUNDS NAME ...`: kill trainings at random moments in forks of this process, resume them here."""

import os
import random
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from every_training import left_by, settings_of

from graphreel.experiments import experiment, resume, start
from graphreel.training.checkpoints import Plan


def killed(name: str, out: Path, after: float) -> bool:
    """Train in a fork that SIGKILL ends after so many seconds; whether it did."""
    child = os.fork()
    if child == 0:
        signal.setitimer(signal.ITIMER_REAL, after)
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        start(settings_of(name, seeds=2), out, quiet=True)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def main() -> None:
    rounds, draw = int(sys.argv[1]), random.Random(0)
    train = experiment.train
    # a checkpoint after every step, so that few of them are repeated and many are interrupted
    experiment.train = lambda run, seeds, plan, *rest: train(run, seeds, replace(plan, checkpoint_seconds=0.0), *rest)
    assert Plan(1).checkpoint_seconds > 0
    for name in sys.argv[2:]:
        whole = Path(f"{name}-whole")
        start(settings_of(name, seeds=2), whole, quiet=True)
        began = time.perf_counter()
        start(settings_of(name, seeds=2), whole, overwrite=True, quiet=True)
        takes, hits = time.perf_counter() - began, 0
        for number in range(rounds):
            out = Path(f"{name}-{number}")
            hits += killed(name, out, draw.uniform(0.05, 0.95) * takes)
            if (out / "config.json").exists():
                resume(out, quiet=True)
                assert left_by(out) == left_by(whole), f"{name}, round {number}: a resumed run differs"
                assert not [*out.rglob(".*")], f"{name}, round {number}: {[*out.rglob('.*')]} is left"
        print(name, f"{hits} of {rounds} killed")


if __name__ == "__main__":
    main()
