"""Every form of JSON that PyTorch Geometric Temporal ships, on small files."""

import json

import numpy as np
import pytest
import torch

from graphreel.data import load

STEPS = 40


def wave(nodes):
    return np.round(np.sin(np.arange(STEPS)[:, None] / 3 + np.arange(nodes)) * 5, 3)


@pytest.fixture
def series(tmp_path):
    def read(content, **options):
        path = tmp_path / "series.json"
        path.write_text(json.dumps(content))
        return load(path, **options).series

    return read


@pytest.mark.parametrize("key", ["FX", "X", "block"])
def test_chickenpox_pedal_me_and_windmill(series, key):
    content = {key: wave(3).tolist(), "edges": [[0, 1], [1, 2]], "weights": [0.5, 2.0], "time_periods": STEPS}
    found = series(content)
    assert torch.equal(found.values[:, :, 0], torch.from_numpy(wave(3)))
    assert found.edge_index.tolist() == [[0, 1], [1, 2]] and found.edge_weight.tolist() == [0.5, 2.0]


def test_wikivital(series):
    content = {str(t): {"y": row.tolist(), "index": t, "year": 2019} for t, row in enumerate(wave(3))}
    content |= {
        "edges": [[0, 1], [2, 0]],
        "weights": [3, 1],
        "time_periods": STEPS,
        "node_ids": {"B": 0, "A": 1, "C": 2},
    }
    found = series(content)
    assert found.nodes == ["B", "A", "C"] and not found.changing and found.edge_weight.tolist() == [3, 1]
    assert torch.equal(found.values[:, :, 0], torch.from_numpy(wave(3)))
    del content["7"]
    with pytest.raises(ValueError, match=r"series.json has a gap in time: there is no step '7' of 40"):
        series(content)
    content["7"] = {"y": [1.0]}
    with pytest.raises(ValueError, match=r"y of the steps in series.json must be \[node\] numbers, as many each"):
        series(content)


def test_twitter_tennis(series):
    content = {"time_periods": STEPS}
    for t, row in enumerate(wave(3)):
        content[str(t)] = {
            "y": row.tolist(),
            "X": [[t, 0.5], [1, 0.1], [2, 0.2]],
            "edges": [[t % 3, 0]],
            "weights": [t],
        }
    found = series(content)
    assert found.changing and found.edge_weight.tolist() == list(range(STEPS))
    assert found.channels == ["y", "X0", "X1"] and found.values[5, 0].tolist() == [wave(3)[5, 0], 5.0, 0.5]
    del content["3"]["edges"]
    with pytest.raises(ValueError, match=r"series.json holds no sensor series: expected FX"):
        series(content)


def test_montevideo_bus(series):
    own = wave(3).T.tolist()
    nodes = [{"bus_stop": 100 + n, "X": {"y": own[n], "lat": [1.0] * STEPS}, "y": own[n]} for n in range(3)]
    links = [{"source": 100, "target": 102, "weight": 12.5}, {"source": 101, "target": 100, "weight": 3}]
    found = series({"nodes": nodes, "links": links, "directed": True})
    assert found.nodes == ["100", "101", "102"] and found.channels == ["y", "lat"]
    assert torch.equal(found.values[:, :, 0], torch.from_numpy(wave(3)))
    assert found.edge_index.tolist() == [[0, 1], [2, 0]] and found.edge_weight.tolist() == [12.5, 3]
    with pytest.raises(ValueError, match=r"links of series.json must have a source and a target among"):
        series({"nodes": nodes, "links": [{"source": 9, "target": 100}]})
    with pytest.raises(ValueError, match=r"nodes of series.json must be a list of entries"):
        series({"nodes": [], "links": []})


def test_several_channels(series):
    stacked = np.stack([wave(2), wave(2) + 100], axis=2)
    found = series({"FX": stacked.tolist(), "edges": [[0, 1]]})
    assert found.channels == ["FX", "FX1"] and torch.equal(found.values[:, :, 1], torch.from_numpy(wave(2) + 100))


@pytest.mark.parametrize("offset", [0.0, 1e8])
def test_an_offset_changes_nothing_that_a_model_reads(tmp_path, offset):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"FX": (wave(2) + offset).tolist(), "edges": [[0, 1]]}))
    scaled = load(path).train.series.values[:, :, 0]
    known = wave(2)[: load(path).train.stop + 4]
    expected = (wave(2) - known.mean(0)) / known.std(0)
    assert torch.allclose(scaled, torch.from_numpy(expected).float(), atol=1e-6 + 1e-15 * offset)
