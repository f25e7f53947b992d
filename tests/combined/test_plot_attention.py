import json

import pytest
import torch
from PIL import Image
from torch.testing import assert_close
from torch_geometric.nn import GATConv as TheirGATConv

from graphreel import gnn, rnn
from graphreel.combined import (
    ClipClassifier,
    GraphLayers,
    clip_attention,
    clip_attention_page,
    draw_clip_attention,
    shown_weights,
)
from graphreel.data.clips.digits import dance, render


@pytest.fixture
def clip():
    return dance(0, torch.Generator().manual_seed(0))


def model(layer=gnn.GATConv, recurrence="frames"):
    torch.manual_seed(0)
    spatial = GraphLayers(67, 8, lambda i, o: layer(i, o // 2, heads=2)) if layer else None
    temporal = rnn.GRU(8 if spatial else 67, 6, batch_first=True)
    return ClipClassifier(spatial, temporal, 3, "attention", recurrence, "attention")


@pytest.mark.parametrize("layer", [gnn.GATConv, gnn.GATv2Conv, TheirGATConv])
def test_edges_show_the_last_attention_layer(clip, layer):
    classify = model(layer)
    before = classify(clip)
    numbers = clip_attention(classify, clip)
    hidden = classify.spatial.first(clip.x, clip.edge_index).relu()
    edge_index, alpha = classify.spatial.second(hidden, clip.edge_index, return_attention_weights=True)[1]
    expected = {pair: weight for pair, weight in zip(_pairs(edge_index), alpha.mean(1).tolist(), strict=True)}
    shown = {(edge["source"], edge["target"]): edge["weight"] for edge in numbers["edges"]}
    assert numbers["attention"] and shown == pytest.approx(expected, rel=1e-4)
    assert_close(classify(clip), before)


def _pairs(edge_index):
    return [(source, target) for source, target in edge_index.t().tolist()]


@pytest.mark.parametrize("recurrence", ["frames", "nodes"])
def test_the_numbers_sum_to_one(clip, recurrence):
    numbers = clip_attention(model(recurrence=recurrence), clip, ["a", "b", "c"])
    assert list(numbers["probabilities"]) == ["a", "b", "c"]
    assert abs(sum(numbers["probabilities"].values()) - 1) < 1e-5
    assert abs(sum(numbers["frames"]) - 1) < 1e-5 and len(numbers["frames"]) <= int(clip.num_frames)
    into = torch.zeros(len(clip.x))
    for edge in numbers["edges"]:
        into[edge["target"]] += edge["weight"]
    assert_close(into, torch.ones(len(clip.x)))
    assert len(numbers["nodes"]) == len(clip.x)


def test_influence_is_the_slope_of_the_likeliest_class(clip):
    torch.manual_seed(0)
    classify = ClipClassifier(gnn.GCN(67, 8, 2, 8), rnn.GRU(8, 6, batch_first=True), 3).double()
    clip.x, clip.edge_weight = clip.x.double(), torch.ones(clip.edge_index.size(1), dtype=torch.double)
    numbers = clip_attention(classify, clip)
    influence, step, before = numbers["influence"], 1e-5, classify(clip)[0]
    best = int(before.argmax())
    assert sum(influence["nodes"]) == pytest.approx(1) and sum(influence["frames"]) == pytest.approx(1)
    assert sum(influence["edges"]) == pytest.approx(1)

    def change(name, number, by):
        varied = clip.clone()
        varied[name] = clip[name].clone()
        varied[name][number] += by
        return abs(float(classify(varied)[0, best] - before[best])) / step

    with torch.no_grad():
        nodes = torch.tensor([change("x", i, step * (clip.x.mean(0) - clip.x[i])) for i in range(0, len(clip.x), 9)])
        edges = torch.tensor([change("edge_weight", i, -step) for i in range(0, clip.edge_index.size(1), 9)])
    for found, wanted in ((influence["nodes"], nodes), (influence["edges"], edges)):
        assert_close(torch.tensor(found[::9]) / sum(found[::9]), (wanted / wanted.sum()).float(), rtol=1e-2, atol=1e-5)


def test_attention_is_shown_where_there_is_some(clip):
    shown = shown_weights(clip_attention(model(), clip), clip.frame)
    assert (shown.nodes_are, shown.edges_are) == ("attention", "attention")
    mean = ClipClassifier(None, rnn.GRU(67, 6, batch_first=True), 3)
    numbers = clip_attention(mean, clip)
    shown = shown_weights(numbers, clip.frame)
    assert (shown.nodes_are, shown.edges_are) == ("influence", "1 / in-degree (no layer attends)")
    assert shown.nodes.tolist() == numbers["influence"]["nodes"]


def test_a_strip_is_drawn_with_its_numbers_beside_it(tmp_path, clip):
    classify = model()
    numbers = draw_clip_attention(classify, clip, tmp_path / "clip.png", ["a", "b", "c"], render(clip))
    assert (
        json.loads((tmp_path / "clip.json").read_text()) == numbers == clip_attention(classify, clip, ["a", "b", "c"])
    )
    with Image.open(tmp_path / "clip.png") as picture:
        width, height = picture.size
    assert width > 1.5 * height
    assert sorted(file.name for file in tmp_path.iterdir()) == ["clip.json", "clip.png"]


def test_an_animation_has_every_frame(tmp_path, clip):
    clip = clip.clone()
    clip.pos = None
    draw_clip_attention(model(None), clip, tmp_path / "clip.gif")
    with Image.open(tmp_path / "clip.gif") as film:
        assert film.n_frames == int(clip.num_frames)
    assert not clip_attention(model(None), clip)["attention"]


def test_bad_input_is_named_and_nothing_is_written(tmp_path, clip, batch):
    with pytest.raises(ValueError, match="pictures has 2 frames, but the clip has"):
        draw_clip_attention(model(), clip, tmp_path / "a.png", pictures=render(clip)[:2])
    with pytest.raises(ValueError, match="times has 2 frames, but the clip has"):
        draw_clip_attention(model(), clip, tmp_path / "a.png", times=[0.0, 1.0])
    with pytest.raises(ValueError, match="classes has 2 names, but the model tells 3 classes apart"):
        draw_clip_attention(model(), clip, tmp_path / "a.png", ["a", "b"])
    batch.x = torch.zeros(len(batch.x), 67)
    with pytest.raises(ValueError, match="expected one clip, got a batch of 4"):
        clip_attention(model(), batch)
    assert not list(tmp_path.iterdir())


def test_what_several_views_say_is_said(clip, tmp_path):
    shares = torch.tensor([0.1, 0.2, 0.7])
    numbers = draw_clip_attention(model(), clip, tmp_path / "a.png", ["a", "b", "c"], shares=shares)
    assert numbers["probabilities"] == pytest.approx({"a": 0.1, "b": 0.2, "c": 0.7})
    assert "Predicted: c 0.70" in clip_attention_page(model(), clip, ["a", "b", "c"], shares=shares).note
