"""Pickled layers and models, kept in pickles/, and what they give for a fixed input."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from inputs import write_inputs
from rooms import room
from running import HERE
from torch import Tensor, nn
from torch_geometric.data import Batch

PICKLES = HERE / "pickles"
EDGES = torch.tensor([[0, 1, 2, 3, 0, 4], [1, 2, 0, 1, 3, 0]])


def wave(*shape: int) -> Tensor:
    """Fixed numbers from -1 to 1."""
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float32).mul(0.7).sin().view(shape)


def letters(batch: int, steps: int) -> Tensor:
    """Fixed tokens from 0 to 6."""
    return (torch.arange(batch * steps) * 5 % 7).view(batch, steps)


def models() -> dict[str, Callable[[], nn.Module]]:
    """What is pickled, by the name of its file."""
    gnn, rnn, combined = room("gnn"), room("rnn"), room("combined")
    return {
        "gcn_conv.pkl": lambda: gnn.GCNConv(3, 4),
        "gatv2_conv.pkl": lambda: gnn.GATv2Conv(3, 4, heads=2),
        "gat.pkl": lambda: gnn.GAT(3, 8, 2, 4, heads=2),
        "lstm.pkl": lambda: rnn.LSTM(3, 4, 2, batch_first=True, bidirectional=True),
        "peephole.pkl": lambda: rnn.PeepholeLSTM(3, 4, batch_first=True),
        "char_lm.pkl": lambda: rnn.CharLM(7, 3, 4, skip=True),
        "sequence_classifier.pkl": lambda: rnn.SequenceClassifier(7, 3, 4, 2, padding=0),
        "clip_classifier.pkl": lambda: combined.ClipClassifier(
            gnn.GCN(13, 8, 2, 6), rnn.GRU(6, 5, batch_first=True), 2, readout="attention"
        ),
        "forecaster.pkl": lambda: combined.Forecaster(
            gnn.GCNConv(2, 6), rnn.GRU(6, 5, batch_first=True), 3, autoregressive=2
        ),
        "tgcn.pkl": lambda: combined.TGCN(3, 4),
        "gat_saved.pt": lambda: gnn.GAT(3, 8, 2, 4, heads=2),
    }


def make(folder: Path) -> None:
    """Pickle new models into pickles/: the .pt by `torch.save`, the others by `pickle.dump`; check that they load."""
    PICKLES.mkdir(exist_ok=True)
    for name, build in models().items():
        torch.manual_seed(0)
        model = build().eval()
        if name.endswith(".pt"):
            torch.save(model, PICKLES / name)
        else:
            (PICKLES / name).write_bytes(pickle.dumps(model))
        if output(name, model, folder) != output(name, load(PICKLES / name), folder):
            raise RuntimeError(f"{name} gives other numbers than the model that was pickled")


def load(path: Path) -> nn.Module:
    """Plainly unpickle a file of pickles/, for a record made where nothing better is at hand."""
    if path.suffix == ".pt":
        return torch.load(path, weights_only=False)
    return pickle.loads(path.read_bytes())


@torch.no_grad()
def output(name: str, model: nn.Module, folder: Path) -> list[Any]:
    """What a model gives for its fixed input, as nested lists; `folder` is for the clips' file."""
    kind = name.partition(".")[0]
    if kind in ("lstm", "peephole"):
        return model(wave(2, 5, 3))[0].tolist()
    if kind == "char_lm":
        return model(letters(2, 6))[0].tolist()
    if kind == "sequence_classifier":
        return model(letters(3, 6)).tolist()
    if kind == "clip_classifier":
        write_inputs(folder)
        clips = room("data").load(str(folder / "clips.npz"))
        return model(Batch.from_data_list(clips.test)).tolist()
    if kind == "forecaster":
        return model(wave(2, 4, 5, 2), EDGES).tolist()
    return model(wave(5, 3), EDGES).tolist()
