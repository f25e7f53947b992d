"""`load_pickle`: what was pickled whole comes back, and nothing that a pickle asks for is run."""

import builtins
import io
import os
import pickle
import random
import struct
import zipfile

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

import graphreel
from graphreel import combined, gnn, rnn
from graphreel.core.dropout import Dropout
from graphreel.data.clips.clip import Clip

EDGES = torch.tensor([[0, 1, 2, 0], [1, 2, 0, 2]])


def models():
    return {
        "gatv2": (gnn.GATv2Conv(3, 4, heads=2), (torch.randn(3, 3), EDGES)),
        "gcn with skips": (gnn.GCN(3, 8, 2, 4, dropout=0.5), (torch.randn(3, 3), EDGES)),
        "gru": (rnn.GRU(3, 4, 2, batch_first=True), (torch.randn(2, 5, 3),)),
        "peephole": (rnn.PeepholeLSTM(3, 4, variant="uva"), (torch.randn(5, 2, 3),)),
        "in a container": (nn.Sequential(nn.Linear(3, 4), Dropout(0.5), nn.LayerNorm(4)), (torch.randn(2, 3),)),
        "tgcn": (combined.TGCN(3, 4), (torch.randn(3, 3), EDGES)),
    }


@pytest.fixture(params=["pickle", "old protocol", "torch.save", "torch.save before zip"])
def write(request, tmp_path):
    """Writes an object in one of the ways in which people did."""

    def to_file(thing):
        path = tmp_path / "thing"
        if request.param.startswith("torch"):
            torch.save(thing, path, _use_new_zipfile_serialization=request.param == "torch.save")
        else:
            path.write_bytes(pickle.dumps(thing, protocol=0 if request.param == "old protocol" else None))
        return path

    return to_file


@pytest.mark.parametrize("name", models())
@torch.no_grad()
def test_models_come_back(name, write):
    model, inputs = models()[name]
    loaded = graphreel.load_pickle(write(model.eval()))
    assert type(loaded) is type(model)
    assert_close(loaded(*inputs), model(*inputs), rtol=0, atol=0)


def test_a_loaded_model_trains_on(write):
    layer = gnn.GCNConv(3, 4)
    loaded = graphreel.load_pickle(write(layer))
    loaded(torch.randn(3, 3), EDGES).sum().backward()
    assert all(parameter.grad is not None for parameter in loaded.parameters())


def test_clips_and_arrays_come_back(write):
    clip = Clip.from_frames([torch.randn(2, 3), torch.randn(1, 3)], [EDGES[:, :0], EDGES[:, :0]], y=1)
    loaded = graphreel.load_pickle(write({"clips": [clip], "scale": np.array([1.5, 2.0]), "count": np.int64(2)}))
    assert type(loaded["clips"][0]) is Clip and loaded["clips"][0].num_frames == 2
    assert_close(loaded["clips"][0].x, clip.x)
    assert loaded["scale"].tolist() == [1.5, 2.0] and loaded["count"] == 2


def test_shared_parts_stay_shared_and_circles_close(write):
    layer = nn.Linear(2, 2)
    shared = nn.ModuleList([layer, layer])
    layer.owner = [shared]
    loaded = graphreel.load_pickle(write(shared))
    assert loaded[0] is loaded[1] and loaded[0].owner[0] is loaded


class Hostile:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (os.system, ("touch {}",), r"(posix|nt)\.system"),
        (builtins.eval, ("open('{}', 'w')",), r"builtin\w*\.eval"),
        (builtins.getattr, (nn.Linear, "__init__"), r"builtin\w*\.getattr"),
        (torch.load, ("{}",), r"torch\.serialization\.load"),
        (np.load, ("{}",), r"numpy.*load"),
        (torch.hub.load, ("{}", "model"), r"torch\.hub\.load"),
        (graphreel.__getattr__, ("load_pickle",), r"graphreel\.__getattr__"),
        (gnn.write_attention, (nn.Linear(1, 1), "{}"), r"write_attention"),
        (rnn.bits_per_character, (nn.Linear(1, 1), "{}"), r"bits_per_character"),
    ],
)
@pytest.mark.parametrize("hidden", ["in a model", "among hooks", "thrown away"])
def test_what_asks_for_more_is_refused_and_not_run(write, tmp_path, function, arguments, named, hidden):
    trace = tmp_path / "trace"
    hostile = Hostile(function, *(a.format(trace) if isinstance(a, str) else a for a in arguments))
    model = gnn.GCNConv(2, 2)
    if hidden == "in a model":
        model.extra = hostile
    elif hidden == "among hooks":
        model._forward_hooks[0] = hostile
    else:
        model.inspector._source_dict["message"] = hostile  # made anew, whatever the file says
    with pytest.raises(ValueError, match=rf"thing is refused: it asks for \S*{named}, but only graphreel's"):
        graphreel.load_pickle(write(model))
    assert not trace.exists()


def test_the_class_of_a_layer_cannot_be_changed(tmp_path):
    forward = gnn.GCNConv.forward
    program = b"\x80\x02cgnn.gcn_conv\nGCNConv\nN}X\x07\x00\x00\x00forwardK\x01s\x86b."  # setattr on the class itself
    (tmp_path / "thing").write_bytes(program)
    with pytest.raises(ValueError, match="thing is damaged, or no pickle of a model"):
        graphreel.load_pickle(tmp_path / "thing")
    assert gnn.GCNConv.forward is forward


def test_torchscript_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "thing", "w") as archive:
        archive.writestr("thing/constants.pkl", b"")
        archive.writestr("thing/code/__torch__.py", "")
    with pytest.raises(ValueError, match="refused: it asks for TorchScript's code"):
        graphreel.load_pickle(tmp_path / "thing")


def test_a_tensor_larger_than_its_memory_is_refused(tmp_path):
    torch.save(nn.Linear(3, 4), tmp_path / "small")
    with zipfile.ZipFile(tmp_path / "small") as archive, zipfile.ZipFile(tmp_path / "thing", "w") as other:
        for item in archive.namelist():
            content = archive.read(item)
            if item.endswith("data.pkl"):
                assert content.count(b"K\x04K\x03\x86") == 1
                content = content.replace(b"K\x04K\x03\x86", b"J" + struct.pack("<i", 2**30) + b"K\x03\x86")
            other.writestr(item, content)
    with pytest.raises(ValueError, match=r"a tensor of size \(1073741824, 3\) lies outside its memory of 12 values"):
        graphreel.load_pickle(tmp_path / "thing")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x02K\x01", b"(((((", b"\x80\x02c", b"PK\x03\x04"])
def test_damaged_files_are_one_sentence(tmp_path, content):
    (tmp_path / "thing").write_bytes(content)
    with pytest.raises(ValueError, match=r"thing is damaged, or no pickle of a model: .*") as caught:
        graphreel.load_pickle(tmp_path / "thing")
    assert "\n" not in str(caught.value)


def test_every_cut_of_a_model_is_one_sentence(tmp_path):
    buffer = io.BytesIO()
    torch.save(gnn.GATConv(2, 2), buffer)
    for content in (buffer.getvalue(), pickle.dumps(gnn.GATConv(2, 2))):
        for length in range(0, len(content), len(content) // 23):
            (tmp_path / "thing").write_bytes(content[:length])
            with pytest.raises(ValueError, match=r"thing is (damaged|refused)"):
                graphreel.load_pickle(tmp_path / "thing")


def test_a_class_that_is_gone_is_named(tmp_path):
    (tmp_path / "thing").write_bytes(b"\x80\x02crnn.lost\nFound\n)\x81.")
    with pytest.raises(ValueError, match=r"rnn\.lost\.Found is not known to this version"):
        graphreel.load_pickle(tmp_path / "thing")


@pytest.mark.parametrize("times", [30, pytest.param(3000, marks=pytest.mark.attack)])
@pytest.mark.filterwarnings("ignore")  # numbers that are changed may be anything
def test_changed_bytes_give_a_result_or_one_sentence(tmp_path, times):
    draw = random.Random(times)
    buffer = io.BytesIO()
    torch.save(gnn.GATConv(2, 2), buffer)
    originals = [buffer.getvalue(), pickle.dumps(gnn.GATConv(2, 2)), pickle.dumps(rnn.GRU(2, 2), protocol=0)]
    for number in range(times):
        content = bytearray(originals[number % len(originals)])
        for _ in range(draw.randint(1, 6)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        (tmp_path / "thing").write_bytes(content)
        try:
            graphreel.load_pickle(tmp_path / "thing")
        except ValueError as error:
            assert "thing is " in str(error) and "\n" not in str(error)
