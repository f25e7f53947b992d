"""A training starts from the weights of another run, where names and shapes fit."""

import pytest
import torch
from torch import nn

from graphreel.__main__ import run
from graphreel.training.init_from import take_over


def test_a_run_goes_on_from_another(tmp_path, capsys):
    command = ["gnn", "train", "--data", "six-node", "--epochs", "30"]
    assert run([*command, "--out", str(tmp_path / "a"), "--quiet"]) == 0
    more = ["--lr", "1e-9", "--epochs", "1", "--weight-decay", "0", "--init-from", str(tmp_path / "a")]
    assert run([*command, *more, "--out", str(tmp_path / "b")]) == 0
    assert f"4 of 4 tensors start from {tmp_path / 'a'}" in capsys.readouterr().out
    one, other = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True)["model"] for name in "ab")
    for name, weight in one.items():
        torch.testing.assert_close(other[name], weight)


def test_what_does_not_fit_starts_anew():
    model, other = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 5)), nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    told = take_over(model, other.state_dict(), "runs/a")
    assert told == "2 of 4 tensors start from runs/a; anew start 1.weight, 1.bias"
    assert torch.equal(model[0].weight, other[0].weight)
    with pytest.raises(ValueError, match="--init-from runs/a has no weights of the names and shapes of this model"):
        take_over(nn.Linear(9, 9), other.state_dict(), "runs/a")


def test_a_folder_without_a_run_is_refused(tmp_path, capsys):
    assert run(["gnn", "train", "--data", "six-node", "--init-from", str(tmp_path), "--out", str(tmp_path / "b")]) == 2
    assert "is not a run folder" in capsys.readouterr().err and not (tmp_path / "b").exists()
