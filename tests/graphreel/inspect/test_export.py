"""What is exported answers as the model does, for other sizes too, and says what it is."""

import json

import pytest
import torch

from graphreel.experiments import start
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.task_settings import TaskSettings
from graphreel.experiments.text_settings import TextSettings
from graphreel.inspect import export as module
from graphreel.inspect.export import export
from graphreel.inspect.export_calls import call_of
from graphreel.inspect.load_run import load_run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    book = folder / "book.txt"
    book.write_text("the cat sat on the mat and the dog ran to the log " * 200)
    made = {
        "gat": GnnSettings.resolve("six-node", {"model": "gat", "epochs": 3}),
        "gcn": GnnSettings.resolve("six-node", {"model": "gcn", "epochs": 3}),
        "task": TaskSettings.resolve("random-combinations", {"steps": 2}),
        "text": TextSettings.resolve(str(book), {"steps": 2, "hidden": 8}),
    }
    return {name: start(settings, folder / name, quiet=True).path for name, settings in made.items()}


def larger(call):
    """Other nodes, edges and batches than those that were exported."""
    if "tokens" in call.inputs:
        return (torch.ones(3, call.inputs["tokens"][0].size(1), dtype=torch.long),)
    (x, _), (edge_index, _) = call.inputs.values()
    return torch.cat([x, x]), torch.cat([edge_index, edge_index + len(x)], 1)


@pytest.mark.parametrize("name", ["gat", "gcn", "task", "text"])
def test_torch_export(runs, name, tmp_path):
    file = export(runs[name], "torch-export", tmp_path / "model.pt2")[0]
    call = call_of(load_run(runs[name]))
    given = larger(call)
    torch.testing.assert_close(torch.export.load(file).module()(*given), call.model(*given))


@pytest.mark.parametrize("name", ["gat", "gcn", "task", "text"])
def test_onnx(runs, name, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    file = export(runs[name], "onnx", tmp_path / "model.onnx")[0]
    call = call_of(load_run(runs[name]))
    given = larger(call)
    session = onnxruntime.InferenceSession(file)
    (answer,) = session.run(None, {key: value.numpy() for key, value in zip(call.inputs, given, strict=True)})
    torch.testing.assert_close(torch.from_numpy(answer), call.model(*given).detach(), rtol=1e-4, atol=1e-4)


def test_safetensors_rebuild_the_model_and_a_card_tells_of_it(runs, tmp_path):
    from safetensors.torch import load_file

    file, settings, card = export(runs["gat"], "safetensors", tmp_path / "model.safetensors")
    trained = load_run(runs["gat"])
    state = load_file(file)
    assert all(torch.equal(state[key], value) for key, value in trained.model.state_dict().items())
    assert json.loads(settings.read_text())["settings"]["model"] == "gat"
    assert "# gat on six-node" in card.read_text() and "majority (baseline) | 0.5" in card.read_text()


def test_plain_tasks_answer_as_the_classifier(runs):
    trained = load_run(runs["task"])
    call = call_of(trained)
    (tokens, _) = call.inputs["tokens"]
    torch.testing.assert_close(call.model(tokens), trained.model(tokens))


def test_a_wrong_export_is_not_kept(runs, tmp_path, monkeypatch):

    monkeypatch.setattr(module, "_compare", lambda *_: (_ for _ in ()).throw(ValueError("answers otherwise")))
    with pytest.raises(ValueError, match="answers otherwise"):
        export(runs["gcn"], "torch-export", tmp_path / "model.pt2")
    assert list(tmp_path.iterdir()) == []
