"""Damaged files of every format: a result, or one sentence that names the file, within 1 GB and 10 seconds each."""

import os
import random
import resource
import signal
import subprocess
import sys
import traceback
import warnings
import zlib
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))
from damage import FORMATS, damaged

SECONDS, BYTES = 10, 2**30


def attack(name: str, place: Path, times: int) -> list[str]:
    """Damage a file of a format so many times; what was neither a result nor one sentence."""
    write, read = FORMATS[name]
    file = place / "file" / name
    file.parent.mkdir(parents=True)
    write(file)
    read(file)
    whole, draw, faults = file.read_bytes(), random.Random(zlib.crc32(name.encode())), []
    for number in range(times):
        content = damaged(whole, file.suffix, draw)
        file.write_bytes(content)
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                read(file)
            fault = f"warned: {caught[0].message}" if caught else ""
        except (ValueError, OSError) as error:
            said = str(error)
            named = file.name in said or file.parent.name in said
            fault = "" if named and "\n" not in said and "\r" not in said else f"said: {said!r}"
        except Exception:
            fault = traceback.format_exc(limit=-3)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > BYTES:
            return [*faults, f"{number}: took more than a GB"]
        if fault:
            (place / f"fault{number}-{file.name}").write_bytes(content)
            faults.append(f"{number}: {fault}")
    return faults


def main(place: str, times: str, *names: str) -> int:
    signal.signal(signal.SIGVTALRM, _too_slow)
    ended = []
    for name in names:
        if os.fork() == 0:  # so that each has a memory of its own
            faults = attack(name, Path(place) / name.replace("/", "-"), int(times))
            print(*(f"{name} {fault}\n" for fault in faults), sep="", end="", flush=True)
            os._exit(bool(faults))
        ended.append(os.wait()[1])
    return any(ended)


def _too_slow(*_: object) -> None:
    raise RuntimeError(f"took more than {SECONDS} s")


def attacked(place: Path, times: int, names: list[str]) -> None:
    """In a process of its own, whose memory is measured."""
    command = [sys.executable, __file__, str(place), str(times), *names]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "XDG_CACHE_HOME": str(place)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1500)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
def test_some_damaged_files(tmp_path):
    attacked(tmp_path, 8, list(FORMATS))


@pytest.mark.attack
@pytest.mark.parametrize("name", FORMATS)
def test_many_damaged_files(tmp_path, name):
    attacked(tmp_path, 290, [name])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
