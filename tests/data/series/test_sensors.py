import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from graphreel.data import load


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
    rounded = torch.from_numpy(np.round(values[:seen], 6))
    assert_close(splits.train.scaling.mean, rounded.mean(0))
    assert_close(splits.train.scaling.deviation, rounded.std(0, correction=0))
    values[seen:] += 1000
    changed = load(write_series(tmp_path, values), lags=4, horizon=2)
    assert_close(changed.train.scaling.mean, splits.train.scaling.mean)
    undone = changed.test.scaling.undo(changed.test.batch().y)
    assert_close(undone[-1, -1], torch.from_numpy(values[-1]), rtol=1e-4, atol=1e-3)


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
    assert_close(splits.train.scaling.mean[1], torch.tensor(known.mean()))
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
    assert_close(splits.series.values[:, 0, 1], torch.from_numpy(np.sin(angle)))
    plain = load(write_series(tmp_path, series(), None, "101,102,103"), lags=4, horizon=2)
    assert plain.series.nodes == ["101", "102", "103"] and len(plain.series.values) == 60
    assert len(load(write_series(tmp_path, series()), lags=4, horizon=2).series.values) == 60


def test_a_step_without_any_value_is_a_step(tmp_path):
    values = series()
    values[[0, 7, 8, 30]] = np.nan
    path = write_series(tmp_path, values)
    assert load(path, lags=4, horizon=2).series.observed.all(1).logical_not().nonzero().flatten().tolist() == [6, 7, 29]
    path.write_text("a,b,c\n" + path.read_text() + ",,\n" * 9)  # as spreadsheets write it
    splits = load(path, lags=4, horizon=2)
    assert (~splits.series.observed.any(1)).nonzero().flatten().tolist() == [0, 7, 8, 30]
    assert len(splits.series.values) == 60


@pytest.mark.parametrize("first", ["", "time", "Date"])
@pytest.mark.parametrize("names", [["0", "1", "2"], ["101", "102", "103"], ["a", "b", "c"]])
def test_numbers_of_nodes_are_known_beside_a_column_of_times(tmp_path, first, names):
    times = [str(step) for step in range(60)]
    splits = load(write_series(tmp_path, series(), times, ",".join([first, *names])), lags=4, horizon=2)
    assert splits.series.nodes == names and splits.series.values.shape == (60, 3, 1)


@pytest.mark.parametrize(
    "times",
    [
        [f"{1950 + year}-01-01" for year in range(60)],
        [f"{2000 + month // 4}-{month % 4 * 3 + 1:02}-01" for month in range(60)],
        [f"{2000 + month // 12}/{month % 12 + 1:02}/01" for month in range(60)],
        [
            f"2024-01-01T{hour % 24:02}:00:00Z" if hour < 24 else f"2024-01-02T{hour % 24:02}:00:00Z"
            for hour in range(48)
        ],
        [f"2024-03-31T{hour:02}:00:00+01:00" for hour in range(2)]
        + [f"2024-03-31T{hour:02}:00:00+02:00" for hour in range(3, 24)],
    ],
)
def test_even_times_have_no_gap(tmp_path, times):
    splits = load(write_series(tmp_path, series(len(times)), times, "date,a,b,c"), lags=2, horizon=1)
    assert len(splits.series.values) == len(times)


@pytest.mark.parametrize("field", ["", "nan"])
def test_a_row_without_its_time_is_named(tmp_path, field):
    for times in ([str(step) for step in range(60)], [str(np.datetime64("2024-01-01") + day) for day in range(60)]):
        times[3] = field if times[0] == "0" else ""
        with pytest.raises(ValueError, match=r"row 5 of road_speed\.csv holds no time"):
            load(write_series(tmp_path, series(), times, "time,a,b,c"))


def test_values_too_large_for_single_precision_are_missing(tmp_path):
    path = write_series(tmp_path, series())
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:3], "1.0,1e300,2.0", *lines[4:]]))
    splits = load(path, lags=4, horizon=2)
    assert torch.isfinite(splits.series.values).all() and not splits.series.observed[3, 1]


def test_an_adjacency_is_read_in_the_order_of_the_series(tmp_path):
    path = write_series(tmp_path, series(), None, "a,b,c")
    adjacency = tmp_path / "road_adj.csv"

    def edges(text):
        adjacency.write_text(text)
        splits = load(path, lags=4, horizon=2)
        pairs = [tuple(splits.series.nodes[node] for node in pair) for pair in splits.series.edge_index.t().tolist()]
        return dict(zip(pairs, splits.series.edge_weight.tolist(), strict=True))

    wanted = {("a", "b"): 1.0, ("c", "a"): 2.0}
    assert edges("0,1,0\n0,0,0\n2,0,0\n") == wanted
    assert edges("a,b,c\n0,1,0\n0,0,0\n2,0,0\n") == wanted
    assert edges("c,a,b\n0,2,0\n0,0,1\n0,0,0\n") == wanted
    assert edges(",c,a,b\na,0,0,1\nb,0,0,0\nc,0,2,0\n") == wanted
    assert edges(",0,1,2\n0,0,1,0\n1,0,0,0\n2,2,0,0\n") == wanted  # numbered, as pandas writes it
    assert edges("0,1,2\n0,1,0\n0,0,0\n2,0,0\n") == wanted
    with pytest.raises(ValueError, match=r"road_adj.csv does not fit: 'd' is not in road_speed.csv, and it lacks 'c'"):
        edges("a,b,d\n0,1,0\n0,0,0\n2,0,0\n")
    with pytest.raises(ValueError, match=r"the adjacency road_adj.csv holds the weight -2: expected none below 0"):
        edges("0,1,0\n0,0,0\n-2,0,0\n")
    with pytest.raises(ValueError, match=r"row 2 of road_adj.csv has 2 fields, but the first has 3"):
        edges("0,1,0\n0,0\n2,0,0\n")


def test_files_that_are_no_text_are_named(tmp_path):
    path = write_series(tmp_path, series())
    whole = path.read_text()
    path.write_bytes(b'"' + whole.encode() * 99)
    with pytest.raises(ValueError, match=r"road_speed.csv is not readable as a table: "):
        load(path)
    path.write_bytes(whole.encode() + b"\0")
    with pytest.raises(ValueError, match=r"road_speed.csv is not a text file: it holds zero bytes"):
        load(path)
    path.write_text(whole)
    (tmp_path / "road_adj.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"road_adj.csv holds no rows: expected a table"):
        load(path)


@pytest.mark.parametrize(("part", "steps"), [("train", (4, 43)), ("validation", (42, 48)), ("test", (48, 60))])
def test_a_part_without_values_is_named(tmp_path, part, steps):
    values = series()
    values[slice(*steps)] = np.nan
    path = write_series(tmp_path, values)
    path.write_text(path.read_text().replace(",,", "nan,nan,nan"))
    with pytest.raises(ValueError, match=f"road_speed has no value to forecast in its {part} part: all are missing"):
        load(path, lags=4, horizon=2)


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
    past, origins = splits.test.past()
    assert past.x.shape == (1, 60 - 2, 3, 1)
    own = splits.test.batch()
    assert torch.equal(past.x[0, origins], own.x[:, -1]) and torch.equal(past.y, own.y)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"lags": 0}, "lags must be at least 1, got 0"),
        ({"horizon": 0}, "horizon must be at least 1, got 0"),
        ({"train_fraction": 1.5}, "train_fraction must lie between 0 and 1, got 1.5"),
        ({"split": "random"}, "split must be windows or rows, got 'random'"),
        ({"lags": 50}, "road_speed has 60 steps: too few for a train part with 50 lags and horizon 12"),
        ({"calendar": True}, "calendar=True needs dates in road_speed.csv: give the number"),
        ({"calendar": 0.5}, "calendar must be the number of steps of a cycle, more than 1, got 0.5"),
    ],
)
def test_bad_settings_are_named(tmp_path, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        load(write_series(tmp_path, series()), **options)


def test_a_gap_in_the_steps_of_a_json_is_named(tmp_path):
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
    with pytest.raises(ValueError, match=r"row 1, column 2 of other.csv holds 'x': expected a number"):
        load(path, adjacency=other)
    (tmp_path / "road_adj.csv").unlink()
    assert load(path, lags=4, horizon=2).series.edge_source == "correlation"
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
        (
            {"a": 1},
            r"series.json holds no sensor series: expected FX, X, block or y \[time x node\] with edges",
        ),
        ({"FX": [1, 2], "edges": []}, r"FX in series.json must be \[time x node\], got \[2\]"),
        ({"FX": [["a"]], "edges": []}, r"FX in series.json must be \[time x node\] numbers"),
        ({"FX": [[1.0]] * 9, "edges": [[0, 3]]}, "edges of series.json hold node 3, but there are 1 nodes"),
        ({"FX": [[1.0]] * 9, "edges": [[0, 0]], "weights": []}, "series.json has 0 weights for 1 edges"),
        ({"FX": [[1.0]] * 9, "edges": [[0, 0]], "weights": [-1]}, "edge_weight of series.json holds the weight -1: "),
        ({"FX": [[1.0]] * 9, "edges": [[0, 0]], "weights": [None]}, "edge_weight of series.json holds values that are"),
        ({"FX": [[1.0]] * 9, "edges": [[0, 0]], "weights": "x"}, "weights of series.json must be numbers"),
        ({"FX": [[1.0]] * 9, "edges": [[0, -1]]}, "edges of series.json hold node -1, but there are 1 nodes"),
        ({"FX": [[1.0]] * 9, "edges": [[0, 0, 0], [0, 0, 0]]}, r"edges of series.json must be pairs .* got \[2, 3\]"),
        ({"FX": [[1.0]] * 9, "edges": [[0, 0.5]]}, "edges of series.json must be pairs"),
        ({"FX": [[1.0]] * 9, "edges": None}, "edges of series.json must be pairs"),
        ({"FX": [[1.0]] * 9, "edges": {"a": 1}}, "edges of series.json must be pairs"),
        ({"FX": [[10**400]] * 9, "edges": []}, r"FX in series.json must be \[time x node\] numbers"),
        ({"y": [[1.0]] * 9, "edge_mapping": []}, "edge_mapping of series.json must map each step to its edges"),
        ({"y": [[1.0]] * 9, "edge_mapping": {"edge_index": []}}, "series.json has a gap in time"),
        ({"y": [[1.0]], "edge_mapping": {"edge_index": {"0": []}, "edge_weight": [1]}}, "edge_mapping of series.json"),
    ],
)
def test_bad_json_is_named(tmp_path, content, sentence):
    with pytest.raises(ValueError, match=sentence):
        load(write_json(tmp_path, **content))
    for text in ("{", "[" * 100_000):
        (tmp_path / "series.json").write_text(text)
        with pytest.raises(ValueError, match=r"series.json is not readable as JSON"):
            load(tmp_path / "series.json")


@pytest.mark.parametrize("given", [None, 5, ["B", "A"], {"A": 0, "B": None}, {"A": 0, "B": 0}])
def test_names_that_do_not_number_the_nodes_are_left_aside(tmp_path, given):
    splits = load(write_json(tmp_path, FX=series(40, 2).tolist(), edges=[[0, 1]], node_ids=given))
    assert splits.series.nodes == ["0", "1"]


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
