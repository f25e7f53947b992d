"""The benchmark of a GPU runs: on a CPU, as a dry run."""

import sys
from pathlib import Path

import pytest
import torch


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parent.parent.parent))
    from benchmarks import gpu

    return gpu


@pytest.mark.slow
def test_a_dry_run_prints_every_line(gpu, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu", "--dry-run"])
    monkeypatch.setattr(gpu, "run_tests", lambda device: None)
    monkeypatch.setattr(torch, "compile", lambda layer: layer)
    gpu.main()
    lines = capsys.readouterr().out.splitlines()[2:]
    assert len(lines) == 4 + 3 + 3 + 2 * 7
    assert all(" ms " in line for line in lines)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(gpu, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu"])
    with pytest.raises(SystemExit) as end:
        gpu.main()
    assert end.value.code == 2
    assert capsys.readouterr().out.startswith("There is no CUDA device here")
