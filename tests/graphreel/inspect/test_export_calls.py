"""What is exported of clips, series, sets of graphs and padded tasks answers as the model does, at other sizes too."""

import pytest
import torch

from graphreel.data.examples import write_example
from graphreel.experiments import start
from graphreel.experiments.clip_settings import ClipSettings
from graphreel.experiments.clips import load_clips
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.series_settings import SeriesSettings
from graphreel.experiments.task_settings import TaskSettings
from graphreel.inspect.export import export
from graphreel.inspect.export_calls import call_of
from graphreel.inspect.forecasts import forecast_of
from graphreel.inspect.load_run import load_run

FEW = {"epochs": 1}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    write_example("series", folder / "s.csv")
    return folder


def trained(settings, place, name):
    return load_run(start(settings, place / name, quiet=True).path)


def answers(run, given, place):
    """What torch.export and onnxruntime answer from the files that `export` has written."""
    onnxruntime = pytest.importorskip("onnxruntime")
    names = list(call_of(run).inputs)
    program = export(run.folder.path, "torch-export", place / "model.pt2")[0]
    yield torch.export.load(program).module()(*given)
    session = onnxruntime.InferenceSession(export(run.folder.path, "onnx", place / "model.onnx")[0])
    (answer,) = session.run(None, {name: value.numpy() for name, value in zip(names, given, strict=True)})
    yield torch.from_numpy(answer)


@pytest.mark.parametrize("cell", ["bilstm", "peephole"])
def test_padded_tasks(place, cell, tmp_path):
    given = {"steps": 2, "cell": cell, "length": 2, "hidden": 8}
    run = trained(TaskSettings.resolve("palindrome", given), place, cell)
    tokens, _ = torch.randint(run.model.padding, (5, call_of(run).inputs["tokens"][0].size(1))), None
    tokens[0, :3] = run.model.padding
    tokens[1, -2:] = run.model.padding
    tokens[2, 2] = run.model.padding  # between two others it is a token
    for answer in answers(run, (tokens,), tmp_path):
        torch.testing.assert_close(answer, run.model(tokens), rtol=1e-4, atol=1e-5)


def test_sets_of_graphs(place, tmp_path):
    typed = {**FEW, "members": 2, "seeds": 1, "blend": False, "model": "gat"}
    run = trained(GnnSettings.resolve("alkanes", typed), place, "alkanes")
    x, edge_index, sizes, *edges = (value for value, _ in call_of(run).inputs.values())
    nodes, count = int(sizes[0]), int((edge_index < sizes[0]).all(0).sum())
    given = (torch.cat([x, x[:nodes]]), torch.cat([edge_index, edge_index[:, :count] + len(x)], 1))
    given += (torch.cat([sizes, sizes[:1]]), *(torch.cat([value, value[:count]]) for value in edges))
    batch = torch.repeat_interleave(torch.arange(4), given[2])
    for answer in answers(run, given, tmp_path):
        torch.testing.assert_close(answer, run.model(*given[:2], batch), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(answer[3], answer[0], rtol=1e-4, atol=1e-4)


def test_clips(place, tmp_path):
    typed = {**FEW, "convolve": 3, "bidirectional": True, "readout": "max"}
    run = trained(ClipSettings.resolve("digits", typed), place, "digits")
    first, *others = load_clips(run.settings).test[:20]
    clip = next(one for one in others if one.num_frames == first.num_frames and len(one.x) != len(first.x))
    frames = clip.frame.bincount(minlength=int(clip.num_frames))
    given = {"x": clip.x, "edge_index": clip.edge_index, "sizes": frames, "edge_attr": clip.get("edge_attr")}
    for answer in answers(run, tuple(given[name] for name in call_of(run).inputs), tmp_path):
        torch.testing.assert_close(answer, run.model(clip), rtol=1e-4, atol=1e-4)


def test_series(place, tmp_path):
    run = trained(SeriesSettings.resolve(str(place / "s.csv"), {**FEW, "spatial": "gat"}), place, "series")
    call, steps = call_of(run), run.settings.lags
    told = forecast_of(run, place / "s.csv", None, f"2024-01-01T{steps - 1}:00").values
    for answer in answers(run, tuple(value for value, _ in call.inputs.values()), tmp_path):
        torch.testing.assert_close(answer[0].double(), told, rtol=1e-4, atol=1e-3)


def test_what_no_graph_of_tensors_is_stays_a_sentence(place):
    blended = trained(GnnSettings.resolve("alkanes", {**FEW, "members": 1, "seeds": 1}), place, "blended")
    blended.model.shares.copy_(torch.tensor([0.5, 0.5, 0.0, 0.0]))
    with pytest.raises(ValueError, match="blends its networks with forests"):
        call_of(blended)
    carried = {**FEW, "memory": "carried", "season": 0}
    with pytest.raises(ValueError, match="reads the whole past"):
        call_of(trained(SeriesSettings.resolve(str(place / "s.csv"), carried), place, "carried"))
