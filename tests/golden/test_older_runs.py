"""A run of clips from before --bones, made by the code of that day, answers as that code did."""

import shutil
from pathlib import Path

import pytest
from inputs import write_inputs
from running import expect_success, play

pytestmark = pytest.mark.slow


def test_clips_from_before_bones(tmp_path):
    write_inputs(tmp_path)
    shutil.copytree(Path(__file__).parent / "older" / "clips-before-bones", tmp_path / "run")
    commands = [
        ["combined", "predict", "run", "clip.npz"],
        ["combined", "train", "--resume", "run", "--quiet"],
        ["combined", "train", "--config", "run/config.json", "--epochs", "1", "--out", "again", "--quiet"],
    ]
    answers = play(commands, tmp_path)
    for command, answer in zip(commands, answers, strict=True):
        expect_success(command, answer)
    assert " ".join(answers[0]["out"].split()) == "clip 0 1 0.574 0 0.426 clip 1 1 0.556 0 0.444"
