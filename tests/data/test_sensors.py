import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from data import load


def write_series(folder: Path, values: np.ndarray, times: list[str] | None = None, header: str = "") -> Path:
    rows = [",".join("" if np.isnan(v) else f"{v:.6f}" for v in row) for row in values]
    if times is not None:
        rows = [f"{time},{row}" for time, row in zip(times, rows, strict=True)]
    path = folder / "road_speed.csv"
    path.write_text((header + "\n" if header else "") + "\n".join(rows) + "\n")
    nodes = values.shape[1]
    ring = np.roll(np.eye(nodes), 1, axis=1) * 0.5
    np.savetxt(folder / "road_adj.csv", ring, delimiter=",")
    return path


def series(steps: int = 60, nodes: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(steps, nodes)).cumsum(0) + 50


def write_json(folder: Path, **content) -> Path:
    path = folder / "series.json"
    path.write_text(json.dumps(content))
    return path


def test_windows_are_slices_of_one_memory(tmp_path):
    splits = load(write_series(tmp_path, series()), lags=4, horizon=2)
    memory = splits.train.series.values
    for part in (splits.train, splits.validation, splits.test):
        assert part.series.values.data_ptr() == memory.data_ptr()
        for index in (0, len(part) - 1):
            x, y = part[index]
            start = part.first + index
            assert x.data_ptr() == memory[start:].data_ptr() and x.shape == (4, 3, 1)
            assert y.data_ptr() == memory[start + 4 :].data_ptr() and y.shape == (2, 3)


def test_a_batch_gathers_what_the_slices_show(tmp_path):
    splits = load(write_series(tmp_path, series()), lags=4, horizon=2)
    batch = splits.train.batch(torch.tensor([5, 0]))
    for row, index in enumerate((5, 0)):
        x, y = splits.train[index]
        assert torch.equal(batch.x[row], x) and torch.equal(batch.y[row], y)
    assert batch.observed.all() and batch.frame is None
    assert batch.edge_index.tolist() == [[0, 1, 2], [1, 2, 0]] and batch.edge_weight.tolist() == [0.5] * 3


def test_scaling_knows_the_training_part_alone(tmp_path):
    values = series()
    splits = load(write_series(tmp_path, values), lags=4, horizon=2)
    seen = splits.train.stop + 4 + 2 - 1
    rounded = torch.from_numpy(np.round(values[:seen], 6)).float()
    assert_close(splits.train.scaling.mean, rounded.mean(0))
    assert_close(splits.train.scaling.deviation, rounded.std(0, correction=0))
    values[seen:] += 1000
    changed = load(write_series(tmp_path, values), lags=4, horizon=2)
    assert_close(changed.train.scaling.mean, splits.train.scaling.mean)
    undone = changed.test.scaling.undo(changed.test.batch().y)
    assert_close(undone[-1, -1], torch.from_numpy(values[-1]).float(), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("split", ["rows", "windows"])
def test_parts_follow_in_time_and_share_no_target(tmp_path, split):
    splits = load(write_series(tmp_path, series(100)), lags=4, horizon=3, split=split)

    def targets(part):
        return {part.first + i + 4 + h for i in range(len(part)) for h in range(3)}

    train, validation, test = (targets(part) for part in (splits.train, splits.validation, splits.test))
    assert max(train) < min(validation) and max(validation) < min(test)
    assert max(test) == 99
    if split == "rows":
        assert splits.test.first == 80


def test_missing_values_are_masked_and_told(tmp_path):
    values = series()
    values[10, 1] = np.nan
    splits = load(write_series(tmp_path, values), lags=4, horizon=2)
    assert splits.series.values.shape == (60, 3, 2)
    batch = splits.train.batch(torch.tensor([6]))  # reads 6 .. 9, forecasts 10 and 11
    assert batch.observed.tolist() == [[[True, False, True], [True, True, True]]]
    x, _ = splits.train[8]
    assert x[2, 1].tolist() == [0.0, 0.0]
    known = np.delete(np.round(values[: splits.train.stop + 5, 1], 6), 10)
    assert_close(splits.train.scaling.mean[1], torch.tensor(known.mean()).float())
    zeros = np.nan_to_num(values, nan=0.0)
    assert torch.equal(
        load(write_series(tmp_path, zeros), lags=4, horizon=2, missing=0.0).series.observed, splits.series.observed
    )


def test_names_and_times_are_known_as_such(tmp_path):
    times = [f"2024-01-01T{h:02}:{m:02}" for h in range(10) for m in range(0, 60, 10)]
    splits = load(write_series(tmp_path, series(), times, "time,a,b,c"), lags=4, horizon=2, calendar=True)
    assert splits.series.nodes == ["a", "b", "c"]
    assert splits.series.values.shape == (60, 3, 1 + 8)  # a day and a week, two harmonics each
    angle = 2 * np.pi * np.arange(60) / 144
    assert_close(splits.series.values[:, 0, 1], torch.from_numpy(np.sin(angle)).float())
    plain = load(write_series(tmp_path, series(), None, "101,102,103"), lags=4, horizon=2)
    assert plain.series.nodes == ["101", "102", "103"] and len(plain.series.values) == 60
    assert len(load(write_series(tmp_path, series()), lags=4, horizon=2).series.values) == 60


def test_a_static_json(tmp_path):
    values = series(40, 2)
    path = write_json(tmp_path, FX=values.tolist(), edges=[[0, 1], [1, 1]], node_ids={"B": 1, "A": 0})
    splits = load(path)
    assert splits.settings == {"lags": 4, "horizon": 1, "train_fraction": 0.9, "split": "windows"}
    assert splits.series.nodes == ["A", "B"] and not splits.series.changing
    assert len(splits.test) == 36 - int(0.9 * 36)
    assert load(path, calendar=True).series.values.shape == (40, 2, 5)


def test_a_changing_json_gives_each_step_its_own_edges(tmp_path):
    edges = {str(t): [[t % 3, 0]] * (t % 2 + 1) for t in range(30)}
    weights = {t: [float(t) + 1] * len(pairs) for t, pairs in edges.items()}
    path = write_json(tmp_path, y=series(30).tolist(), edge_mapping={"edge_index": edges, "edge_weight": weights})
    splits = load(path, lags=3)
    assert splits.series.changing
    batch = splits.train.batch(torch.tensor([4, 1]))
    expected = [(w * 3 + s, t % 3, float(t) + 1) for w, first in enumerate((4, 1)) for s in range(3)
                for t in [first + s] for _ in range(t % 2 + 1)]  # fmt: skip
    found = zip(batch.frame.tolist(), batch.edge_index[0].tolist(), batch.edge_weight.tolist(), strict=True)
    assert list(found) == expected


def test_the_past_is_the_whole_series_with_each_forecast_due_after_its_window(tmp_path):
    splits = load(write_series(tmp_path, series()), lags=4, horizon=2)
    past, due = splits.test.past()
    assert past.x.shape == (1, 60 - 2, 3, 1)
    own = splits.test.batch()
    assert torch.equal(past.x[0, due], own.x[:, -1]) and torch.equal(past.y, own.y)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"lags": 0}, "lags must be at least 1, got 0"),
        ({"horizon": 0}, "horizon must be at least 1, got 0"),
        ({"train_fraction": 1.5}, "train_fraction must lie between 0 and 1, got 1.5"),
        ({"split": "random"}, "split must be windows or rows, got 'random'"),
        ({"lags": 50}, "road_speed has 60 steps: too few for a train part with 50 lags and horizon 12"),
        ({"calendar": True}, "calendar=True needs dates in the first column of road_speed.csv"),
        ({"calendar": 0.5}, "calendar must be the number of steps of a cycle, more than 1, got 0.5"),
    ],
)
def test_bad_settings_are_named(tmp_path, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        load(write_series(tmp_path, series()), **options)


def test_a_gap_in_time_is_named(tmp_path):
    times = [f"2024-01-{day:02}" for day in range(1, 32)]
    times.pop(4)
    with pytest.raises(
        ValueError,
        match=r"road_speed.csv has a gap in time: 2024-01-04 is followed by 2024-01-06 in row 6, other rows are 1 day",
    ):
        load(write_series(tmp_path, series(30), times, "date,a,b,c"), lags=2, horizon=1)
    path = write_json(tmp_path, y=[[1.0]] * 3, edge_mapping={"edge_index": {"0": [], "2": []}})
    with pytest.raises(ValueError, match=r"series.json has a gap in time: edge_mapping has no step '1', y has 3"):
        load(path)


def test_an_adjacency_of_another_size_is_named(tmp_path):
    path = write_series(tmp_path, series())
    np.savetxt(tmp_path / "road_adj.csv", np.eye(4), delimiter=",")
    with pytest.raises(ValueError, match=r"the adjacency road_adj.csv is 4 x 4, but road_speed.csv has 3 nodes"):
        load(path)
    other = tmp_path / "other.csv"
    np.savetxt(other, np.eye(3), delimiter=",")
    assert load(path, adjacency=other, lags=4, horizon=2).series.edge_index.tolist() == [[0, 1, 2], [0, 1, 2]]
    other.write_text("1,x,1\n1,1,1\n1,1,a\n")
    with pytest.raises(ValueError, match=r"the adjacency other.csv"):
        load(path, adjacency=other)
    (tmp_path / "road_adj.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"no adjacency for road_speed.csv: expected road_adj.csv beside it"):
        load(path)
    with pytest.raises(FileNotFoundError, match="there is no adjacency file"):
        load(path, adjacency=tmp_path / "none.csv")


def test_bad_fields_are_named(tmp_path):
    path = write_series(tmp_path, series())
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], "1.0,oops,2.0", *lines[4:]]))
    with pytest.raises(ValueError, match=r"row 4, column 2 of road_speed.csv holds 'oops': expected a number"):
        load(path)
    path.write_text("\n".join([*lines[:3], "1.0,2.0", *lines[4:]]))
    with pytest.raises(ValueError, match=r"row 4 of road_speed.csv has 2 fields, but the first has 3"):
        load(path)
    path.write_text("1,2,3\n")
    with pytest.raises(ValueError, match=r"road_speed.csv has 1 rows: expected a series"):
        load(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"a": 1}, "series.json holds no sensor series: expected FX, X, block or y, and edges or edge_mapping"),
        ({"FX": [1, 2], "edges": []}, r"FX in series.json must be \[time x node\], got \[2\]"),
        ({"FX": [["a"]], "edges": []}, r"FX in series.json must be \[time x node\] numbers"),
        ({"FX": [[1.0]] * 9, "edges": [[0, 3]]}, "edges of series.json hold node 3, but there are 1 nodes"),
        ({"FX": [[1.0]] * 9, "edges": [[0, 0]], "weights": []}, "series.json has 0 weights for 1 edges"),
    ],
)
def test_bad_json_is_named(tmp_path, content, sentence):
    with pytest.raises(ValueError, match=sentence):
        load(write_json(tmp_path, **content))
    (tmp_path / "series.json").write_text("{")
    with pytest.raises(ValueError, match=r"series.json is not readable as JSON"):
        load(tmp_path / "series.json")


REAL = Path(os.environ.get("GRAPHREEL_DATA", "."))


def errors_of_the_last_value(splits):
    batch, undo = splits.test.batch(), splits.test.scaling.undo
    return undo(batch.y), undo(batch.y) - undo(batch.x[:, -1:, :, 0])


@pytest.mark.skipif(not (REAL / "chickenpox").is_dir(), reason="chickenpox is not in $GRAPHREEL_DATA")
def test_chickenpox_has_the_known_baselines():
    told, errors = errors_of_the_last_value(load(REAL / "chickenpox/chickenpox.json"))
    assert abs(float((told**2).mean()) - 1.117) < 0.001
    assert abs(float((errors**2).mean()) - 3.03) < 0.005


@pytest.mark.skipif(not (REAL / "traffic").is_dir(), reason="traffic is not in $GRAPHREEL_DATA")
def test_los_loop_has_the_known_baselines():
    _, errors = errors_of_the_last_value(load(REAL / "traffic/los_speed.csv"))
    assert abs(float((errors**2).mean().sqrt()) - 8.456) < 0.02
    assert abs(float(errors.abs().mean()) - 4.433) < 0.01


@pytest.mark.skipif(not (REAL / "covid").is_dir(), reason="covid is not in $GRAPHREEL_DATA")
def test_england_covid_changes_daily():
    splits = load(REAL / "covid/england_covid.json")
    assert splits.series.values.shape == (61, 129, 1) and splits.series.changing
    batch = splits.train.batch(torch.tensor([0, 3]))
    assert int(batch.frame.max()) == 2 * 7 - 1 and int(batch.edge_index.max()) < 129
