import csv
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from graphreel.experiments.linear_fits import INPUT_SETS, Choice, LinearFits
from graphreel.experiments.series import Series, load_series
from graphreel.experiments.series_model import build_forecaster, edges_of_windows, recent
from graphreel.experiments.series_parts import SeriesParts
from graphreel.experiments.series_settings import SeriesSettings
from graphreel.inspect.forecasts import forecast_of
from graphreel.inspect.load_run import load_run
from graphreel.training.metrics import masked_loss

REAL = Path(os.environ.get("GRAPHREEL_DATA", "/nowhere"))
SMALL = ["--hidden", 4, "--epochs", 2, "--batch-size", 16, "--edges-only", "--quiet"]


def waves(steps=120, nodes=4, seed=0):
    random = np.random.default_rng(seed)
    time = np.arange(steps)[:, None]
    return 50 + 10 * np.sin(time / 5 + np.arange(nodes)) + random.normal(size=(steps, nodes))


def write_csv(folder, values, adjacency=None, name="speed"):
    folder.mkdir(exist_ok=True)
    rows = [",".join(f"s{n}" for n in range(values.shape[1]))]
    rows += [",".join("" if math.isnan(v) else f"{v:.4f}" for v in row) for row in values]
    (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
    ring = np.roll(np.eye(values.shape[1]), 1, axis=1) if adjacency is None else adjacency
    np.savetxt(folder / f"{name}_adj.csv", ring, delimiter=",")
    return folder / f"{name}.csv"


def write_json(path, values, changing=False):
    nodes = values.shape[1]
    ring = [[n, (n + 1) % nodes] for n in range(nodes)]
    if changing:
        steps = {str(t): ring[: 1 + t % nodes] for t in range(len(values))}
        weights = {t: [1.0 + i for i in range(len(pairs))] for t, pairs in steps.items()}
        content = {"y": values.tolist(), "edge_mapping": {"edge_index": steps, "edge_weight": weights}}
    else:
        content = {"FX": values.tolist(), "edges": ring}
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def speeds(tmp_path):
    return write_csv(tmp_path / "traffic", waves())


def test_an_offset_changes_no_error(tmp_path, said):
    """Zero, 10^5 or 10^8 deviations away, is no share of a forecast."""
    found = []
    for offset in (1e5, 1e8):
        data = write_csv(tmp_path / f"{offset:g}", waves(steps=200) + offset)
        out = tmp_path / f"{offset:g}" / "run"
        assert said("combined", "train", "--data", data, *SMALL, "--lags", 4, "--horizon", 2, "--out", out)[0] == 0
        metrics = json.loads((out / "metrics.json").read_text())
        found.append([metrics[key]["mean"] for key in ("test_mse", "test_mae")])
    assert found[1] == pytest.approx(found[0], rel=1e-3) and found[0][0] < 10


def settings_of(path, **typed):
    return SeriesSettings.resolve(str(path), {"device": "cpu", **typed})


def parts_of(path, **typed):
    splits, settings = load_series(settings_of(path, **typed))
    return SeriesParts(splits, settings), settings


def test_from_a_csv_to_the_run_folder(tmp_path, speeds, said):
    out = tmp_path / "run"
    typed = [*SMALL[:-1], "--lags", 6, "--horizon", 3, "--seeds", 2, "--out", out]
    code, text, error = said("combined", "train", "--data", speeds, *typed)
    assert (code, error) == (0, "")
    assert all(word in text for word in ("test MSE", "test RMSE", "test MAE", "zero", "last", "linear", "ridge"))
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics["baselines"]) == {"zero", "last", "linear", "ridge"}
    for errors in metrics["baselines"].values():
        assert {"test_mse", "test_rmse", "test_mae", "by_step"} <= set(errors)
    assert [row["step"] for row in metrics["by_step"]] == [1, 2, 3]
    for row in metrics["seeds"]:
        assert row["test_mse"] == pytest.approx(row["by_step"][2]["rmse_up_to"] ** 2)
        assert row["test_mae"] == pytest.approx(row["by_step"][2]["mae_up_to"])
    assert metrics["test_mse"]["mean"] == pytest.approx(np.mean([row["test_mse"] for row in metrics["seeds"]]))
    # in the units of the file: zero is as far off as the values are large
    told = waves()[int(0.8 * 120) + 6 :]
    windows = np.stack([told[start : start + 3] for start in range(len(told) - 2)])
    assert metrics["baselines"]["zero"]["test_rmse"] == pytest.approx(np.sqrt((windows**2).mean()), rel=1e-4)
    assert metrics["baselines"]["ridge"]["test_mse"] < metrics["baselines"]["last"]["test_mse"]
    config = json.loads((out / "config.json").read_text())
    assert (config["lags"], config["horizon"], config["train_fraction"]) == (6, 3, 0.8)
    for name in ("history.csv", "curves.png", "checkpoint.pt"):
        assert (out / name).stat().st_size > 0


@pytest.mark.parametrize("changing", [False, True])
@pytest.mark.parametrize("memory", ["window", "carried"])
def test_json_series_with_graphs_that_stay_or_change(tmp_path, said, changing, memory):
    data = write_json(tmp_path / "cases.json", waves(80, 3), changing)
    options = ["--memory", memory] + ["--skip-lags", 9] * (memory == "carried")
    typed = [*SMALL, *options, "--out", tmp_path / "run"]
    assert said("combined", "train", "--data", data, *typed)[::2] == (0, "")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["lags"], config["train_fraction"]) == ((7, 0.8) if changing else (4, 0.9))
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["test_mse"]["mean"] < metrics["baselines"]["zero"]["test_mse"]
    code, text, error = said("combined", "predict", tmp_path / "run", data)
    assert (code, error) == (0, "") and (tmp_path / "run" / "forecast.png").stat().st_size > 5000
    told = forecast_of(load_run(tmp_path / "run"), data, None).values
    assert [float(v) for v in text.splitlines()[1].split()[1:]] == pytest.approx(told[0].tolist(), rel=1e-3)


@pytest.mark.parametrize(
    "options",
    [
        ["--spatial", "none", "--temporal", "lstm"],
        ["--spatial", "gat", "--heads", 2, "--temporal", "rnn", "--no-skip", "--loss", "mae"],
        ["--spatial", "gatv2", "--heads", 2, "--temporal", "peephole", "--loss", "huber", "--layers", 2],
    ],
)
def test_every_part_can_be_chosen(tmp_path, speeds, said, options):
    typed = [*SMALL, "--lags", 4, "--horizon", 2, *options, "--out", tmp_path / "run"]
    assert said("combined", "train", "--data", speeds, *typed)[::2] == (0, "")
    trained = load_run(tmp_path / "run")
    model, settings = trained.model, trained.settings
    assert settings.spatial == options[1] and (model.linear is None) == ("--no-skip" in options)
    if settings.spatial == "none":
        assert "neighbours" not in model.linear.inputs


def test_a_carried_forecast_is_that_of_its_own_past(tmp_path):
    parts, settings = parts_of(write_json(tmp_path / "c.json", waves(60, 3), True), memory="carried", skip_lags=8)
    torch.manual_seed(0)
    model = build_forecaster(settings, parts.features, parts.nodes, LinearFits(settings, parts).fitted("both")).eval()
    torch.nn.init.normal_(model.forecaster.head.weight)
    batch, origins = parts.batch("test")
    told = model(batch.x, batch.edge_index, batch.edge_weight, batch.frame, origins)
    for number in (0, len(origins) - 1):
        stop = int(origins[number]) + 1
        kept = batch.frame < stop
        alone = model(
            batch.x[:, :stop], batch.edge_index[:, kept], batch.edge_weight[kept], batch.frame[kept],
            torch.tensor([stop - 1]),
        )  # fmt: skip
        torch.testing.assert_close(told[number], alone[0], rtol=1e-4, atol=1e-5)


def test_the_linear_forecast_in_the_carried_past_reads_the_same_windows(tmp_path):
    parts, _ = parts_of(write_json(tmp_path / "c.json", waves(60, 3), True), lags=6)
    batch, origins = parts.windows["test"].past()
    own = parts.windows["test"].batch()
    assert torch.equal(recent(batch.x, origins, 6), own.x)
    edges, weight, frame = edges_of_windows(batch.edge_index, batch.edge_weight, batch.frame, origins, 6)
    assert torch.equal(edges, own.edge_index) and torch.equal(weight, own.edge_weight) and torch.equal(frame, own.frame)


def test_a_cycle_is_read_where_there_are_no_dates(tmp_path, speeds, said):
    typed = [*SMALL, "--lags", 4, "--horizon", 1, "--cycle", 31.4, "--out", tmp_path / "run"]
    assert said("combined", "train", "--data", speeds, *typed)[::2] == (0, "")
    assert torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["features"] == 5
    assert said("combined", "predict", tmp_path / "run", speeds)[::2] == (0, "")


def test_a_series_scaled_as_a_whole(speeds):
    parts, _ = parts_of(speeds, lags=6, horizon=2, scale="network")
    by_node, _ = parts_of(speeds, lags=6, horizon=2, scale="node")
    scaling = parts.scaling
    assert scaling.mean.unique().numel() == scaling.deviation.unique().numel() == 1
    assert torch.equal(parts.deviation, torch.ones(4))
    rows = parts.windows["train"].series.values[: parts.windows["train"].stop + 7, :, 0]
    assert float(rows.mean()) == pytest.approx(0, abs=1e-5)
    assert float(rows.std(correction=0)) == pytest.approx(1, abs=1e-5)
    batch, own = parts.windows["test"].batch(), by_node.windows["test"].batch()
    torch.testing.assert_close(scaling.undo(batch.y), by_node.scaling.undo(own.y), rtol=1e-4, atol=1e-3)


def test_training_starts_from_the_linear_forecast(speeds):
    experiment = Series.load(settings_of(speeds, lags=6, horizon=2, hidden=4, embedding=3))
    parts, linear = experiment.read, experiment.linear["train"]
    task = experiment.build(0)
    columns, all_nodes, _, _ = parts.tables(linear, "test")
    expected = linear.of_columns(columns, all_nodes)
    torch.testing.assert_close(parts.forecast(task.model.eval(), "test"), expected, rtol=1e-5, atol=1e-5)


def test_the_loss_refuses_to_broadcast_and_leaves_out_what_is_missing(tmp_path):
    values = waves()
    values[30:40, 1] = math.nan
    parts, _ = parts_of(write_csv(tmp_path / "t", values), lags=4, horizon=1)
    batch = parts.windows["train"].batch()
    assert not batch.observed.all() and parts.features == 2
    with pytest.raises(ValueError, match=r"the forecast is \[76, 4\], but the target is \[76, 1, 4\]"):
        masked_loss("mse", batch.y[:76, 0], batch.y[:76], batch.observed[:76], parts.deviation)
    for kind in ("mse", "mae", "huber"):
        assert float(masked_loss(kind, batch.y, batch.y, torch.zeros_like(batch.observed), parts.deviation)) == 0.0
    wrong = torch.where(batch.observed, batch.y, torch.full_like(batch.y, 1e6))
    assert float(parts.loss(wrong, batch, "mse")) == 0.0


def test_missing_values_are_trained_on_and_forecast(tmp_path, said):
    values = waves()
    values[::7, 2] = math.nan
    data = write_csv(tmp_path / "t", values)
    typed = [*SMALL, "--lags", 4, "--horizon", 2, "--out", tmp_path / "run"]
    assert said("combined", "train", "--data", data, *typed)[::2] == (0, "")
    whole = write_csv(tmp_path / "whole", waves(9))
    assert said("combined", "predict", tmp_path / "run", whole, "--out", tmp_path / "f.png")[::2] == (0, "")
    with (tmp_path / "f.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["step", "s0", "s1", "s2", "s3"] and [row[0] for row in rows[1:]] == ["1", "2"]
    assert all(20 < float(value) < 80 for row in rows[1:] for value in row[1:])


def test_a_resumed_run_ends_like_an_uninterrupted_one(tmp_path, speeds, said, interrupted_after):
    common = ["combined", "train", "--data", speeds, *SMALL, "--lags", 4, "--horizon", 1]
    assert said(*common, "--out", tmp_path / "whole")[0] == 0
    with interrupted_after(Series, 7):
        assert said(*common, "--out", tmp_path / "parts")[0] == 130
    assert said("combined", "train", "--resume", tmp_path / "parts", "--quiet")[::2] == (0, "")
    whole, parts = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("whole", "parts"))
    assert all(torch.equal(whole["model"][key], value) for key, value in parts["model"].items())


def test_a_refit_is_a_training_on_both_parts_for_the_epochs_that_validation_told(tmp_path, speeds, said):
    plain = ["--no-gate", "--no-embed", "--coverage", 0]
    typed = [*SMALL, "--lags", 4, "--horizon", 2, "--epochs", 3, *plain, "--out", tmp_path / "run"]
    assert said("combined", "train", "--data", speeds, *typed)[::2] == (0, "")
    row = json.loads((tmp_path / "run" / "metrics.json").read_text())["seeds"][0]
    with (tmp_path / "run" / "history.csv").open() as file:
        history = list(csv.DictReader(file))
    best = min(range(3), key=lambda epoch: float(history[epoch]["val_loss"]))
    more = {"gate": False, "embed": False, "coverage": 0}
    parts, settings = parts_of(speeds, lags=4, horizon=2, hidden=4, epochs=3, batch_size=16, **more)
    assert len(parts.windows["both"]) == len(parts.windows["train"]) + len(parts.windows["validation"]) + 1
    assert row["refit_steps"] == (best + 1) * math.ceil(len(parts.windows["both"]) / 16)
    assert row["refit_seconds"] > 0
    assert row["val_mse"] == pytest.approx(float(history[best]["val_mse"]), rel=1e-4)  # from before the refit

    torch.manual_seed(0)
    task = Series.load(settings).task(0, "both", "both")
    weights = list(task.model.parameters())
    for step in range(row["refit_steps"]):
        task.optimizer.zero_grad()
        task.loss(task.batch(step)).backward()
        torch.nn.utils.clip_grad_norm_(weights, settings.clip_norm)
        task.optimizer.step()
        task.scheduler.step()
    saved = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)["model"]
    for key, value in task.model.state_dict().items():
        torch.testing.assert_close(saved[key], value, rtol=1e-3, atol=1e-4)
    told = parts.errors(parts.forecast(task.model.eval(), "test"), "test")
    assert row["test_mse"] == pytest.approx(told["test_mse"], rel=1e-3)


def test_without_a_refit_the_best_weights_are_tested(tmp_path, speeds, said):
    typed = [*SMALL, "--lags", 4, "--horizon", 2, "--no-refit", "--out", tmp_path / "run"]
    assert said("combined", "train", "--data", speeds, *typed)[::2] == (0, "")
    assert "refit_steps" not in json.loads((tmp_path / "run" / "metrics.json").read_text())["seeds"][0]


def test_the_same_model_without_edges_is_trained_beside(tmp_path, speeds, said):
    out = tmp_path / "run"
    typed = [*SMALL[:-1], "--lags", 4, "--horizon", 2, "--compare-edges", "--out", out]
    code, text, error = said("combined", "train", "--data", speeds, *typed)
    assert (code, error) == (0, "") and "no edges" in text
    without = json.loads((out / "metrics.json").read_text())["without_edges"]
    inner = json.loads((out / "without-edges" / "metrics.json").read_text())
    assert without["test_mse"] == inner["test_mse"] and inner["model"] == "none+gru"
    alone = [*SMALL, "--lags", 4, "--horizon", 2, "--spatial", "none", "--out", tmp_path / "alone"]
    assert said("combined", "train", "--data", speeds, *alone)[::2] == (0, "")
    told = json.loads((tmp_path / "alone" / "metrics.json").read_text())
    assert told["test_mse"] == without["test_mse"] and "without_edges" not in told
    assert said("combined", "train", "--resume", out, "--quiet")[::2] == (0, "")


def test_a_season_is_remembered_trained_and_forecast_with(tmp_path, said):
    data = write_json(tmp_path / "cases.json", waves(80, 3))
    out = tmp_path / "run"
    typed = [*SMALL, "--memory", "carried", "--season", 12, "--out", out]
    assert said("combined", "train", "--data", data, *typed)[::2] == (0, "")
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics["baselines"]) == {"zero", "last", "linear", "ridge", "ridge over 16 steps"}
    code, text, error = said("combined", "predict", out, data)
    assert (code, error) == (0, "") and len(text.splitlines()) >= 2

    parts, settings = parts_of(data, memory="carried", season=12, hidden=4)
    batch, origins = parts.batch("train")
    assert int(origins.min()) == 12 and parts.features == batch.x.size(-1) == 1 + 18
    torch.manual_seed(0)
    model = build_forecaster(settings, parts.features, parts.nodes, LinearFits(settings, parts).fitted("both")).eval()
    torch.nn.init.normal_(model.forecaster.head.weight)
    batch, origins = parts.batch("test")
    told = model(batch.x, batch.edge_index, batch.edge_weight, batch.frame, origins)
    alone = model(batch.x[:, : int(origins[1]) + 1], batch.edge_index, batch.edge_weight, None, origins[1:2])
    torch.testing.assert_close(told[1], alone[0], rtol=1e-4, atol=1e-5)


def test_a_year_is_a_season_where_the_series_is_long_enough(tmp_path):
    long = parts_of(write_json(tmp_path / "long.json", waves(160, 3)), memory="carried")[1]
    short = parts_of(write_json(tmp_path / "short.json", waves(80, 3)), memory="carried")[1]
    window = parts_of(write_json(tmp_path / "long.json", waves(160, 3)))[1]
    assert (long.season, short.season, window.season) == (52, 0, 0)


def test_inputs_and_penalties_are_chosen_over_blocks_of_the_training_part_alone(tmp_path):
    values = waves(200, 4)
    parts, settings = parts_of(write_csv(tmp_path / "a", values), lags=4, horizon=3)
    fits = LinearFits(settings, parts)
    blocks = fits._blocks(len(parts.windows["both"]))
    assert [a for a, _ in blocks[1:]] == [b for _, b in blocks[:-1]]
    assert (blocks[0][0], blocks[-1][1]) == (0, len(parts.windows["both"]))
    first = parts.windows["test"].first + settings.lags
    values[first:] = np.random.default_rng(1).normal(size=values[first:].shape) * 1000
    other, _ = parts_of(write_csv(tmp_path / "b", values), lags=4, horizon=3)
    assert LinearFits(settings, other).choice == fits.choice
    inputs, strength = ("own", "network"), 10.0
    columns, all_nodes, y, observed = fits.tables(inputs, "both")
    errors = []
    for a, b in blocks:
        kept = torch.cat([torch.arange(a), torch.arange(b, len(y))])
        linear = fits._made(inputs).fit(columns[kept], y[kept], observed[kept], strength, parts.deviation)
        inner = slice(a + 2, b - 2)  # two windows at each end share a target with another block's
        told = linear.of_columns(columns[inner], all_nodes[inner])
        errors.append(float(masked_loss("mse", told, y[inner], observed[inner], parts.deviation)))
    assert fits._errors(inputs)[strength] == pytest.approx(np.mean(errors), rel=1e-4)
    assert fits._error(Choice(((inputs, strength),))) == pytest.approx(np.mean(errors), rel=1e-4)


def test_the_mean_of_linear_forecasts_is_one_linear_forecast(speeds):
    parts, settings = parts_of(speeds, lags=4, horizon=3)
    fits = LinearFits(settings, parts)
    sets = tuple((inputs, strength) for inputs, strength in zip(INPUT_SETS, (1.0, 10.0, 30.0, 100.0), strict=True))
    linear = fits._fitted(Choice(sets), "train")
    each = []
    for inputs, strength in sets:
        columns, all_nodes, y, observed = fits.tables(inputs, "train")
        each.append(
            fits._made(inputs).fit(columns, y, observed, strength, parts.deviation).of_columns(columns, all_nodes)
        )
    columns, all_nodes, _, _ = fits.tables(linear.inputs, "train")
    torch.testing.assert_close(linear.of_columns(columns, all_nodes), torch.stack(each).mean(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--memory", "long"], "--memory expects one of window, carried, got 'long'"),
        (["--train-fraction", 1.2], "--train-fraction expects a share"),
        (["--train-fraction", 0], "--train-fraction expects a number above 0"),
        (["--lags", 110], "too few for a"),
        (["--pool", "max"], "--pool is not an option for a series"),
        (["--adjacency", "nowhere.csv"], "there is no adjacency file nowhere.csv"),
        (["--calendar"], "calendar=True needs dates in"),
        (["--season", 12], "--season is what a carried state remembers: it goes with --memory carried"),
        (["--memory", "carried", "--season", 1], "--season expects at least 2 steps, or 0 for none, got 1"),
        (["--memory", "carried", "--season", 60], "--season expects at most "),
        (["--skip-lags", 9], "it goes with --memory carried"),
        (
            ["--memory", "carried", "--skip-lags", 5000],
            "--skip-lags expects at most 66, the steps that training reads",
        ),
        (["--cycle", "inf"], "--cycle expects a finite number, got inf"),
    ],
)
def test_bad_settings_are_refused(tmp_path, speeds, said, options, message):
    code, _, error = said("combined", "train", "--data", speeds, *options, "--out", tmp_path / "run")
    assert code == 2 and message in error and error.count("\n") == 1 and not (tmp_path / "run").exists()


def test_bad_series_are_refused(tmp_path, speeds, said):
    def refused(data, *more):
        code, _, error = said("combined", "train", "--data", data, *more, "--out", tmp_path / "run")
        assert code == 2 and error.count("\n") == 1 and not (tmp_path / "run").exists()
        return error

    assert "adjacency" in refused(write_csv(tmp_path / "a", waves(), np.eye(3)))
    dated = tmp_path / "dated.csv"
    dates = [f"2024-01-{day:02}T{hour:02}" for day, hour in ((1, 0), (2, 1), (3, 5), (5, 7), (6, 6), (7, 21))]
    dated.write_text("date,a,b\n" + "".join(f"{date},1,2\n" for date in dates))
    (tmp_path / "dated_adj.csv").write_text("0,1\n1,0\n")
    assert "has uneven steps" in refused(dated)
    cases = write_json(tmp_path / "cases.json", waves(60, 3))
    assert "--adjacency goes with a .csv" in refused(cases, "--adjacency", tmp_path / "dated_adj.csv")
    cases.write_text("{")
    assert "is not readable as JSON" in refused(cases)


def test_a_forecast_is_not_written_over_what_it_is_made_of(tmp_path, speeds, said):
    typed = [*SMALL, "--lags", 4, "--horizon", 2, "--out", tmp_path / "run"]
    assert said("combined", "train", "--data", speeds, *typed)[0] == 0
    for file in (speeds, next(speeds.parent.glob("*_adj.csv"))):
        before = file.read_text()
        code, _, error = said("combined", "predict", tmp_path / "run", speeds, "--out", file.with_suffix(".png"))
        assert code == 2 and f"--out would write over {file}, which is read" in error
        assert file.read_text() == before and not file.with_suffix(".png").exists()


def test_a_series_with_other_cycles_than_the_run_is_refused(tmp_path, said):
    def dated(name, step):
        data = write_csv(tmp_path / name, waves())
        times = np.datetime64("2024-01-01T00:00") + np.arange(120) * np.timedelta64(step, "m")
        head, *rows = data.read_text().splitlines()
        data.write_text("\n".join([f"date,{head}", *(f"{t},{row}" for t, row in zip(times, rows, strict=True))]))
        return data

    typed = [*SMALL, "--lags", 4, "--horizon", 2, "--calendar", "--out", tmp_path / "run"]
    assert said("combined", "train", "--data", dated("fast", 5), *typed)[::2] == (0, "")
    code, _, error = said("combined", "predict", tmp_path / "run", dated("slow", 24 * 60))
    assert code == 2 and "speed.csv has a step every 86400, but the run was trained on one every 300" in error


def test_sensors_are_known_by_their_names(tmp_path, said):
    levels, names = waves(120, 3) * [1, 10, 100], ["a", "b", "c"]
    adjacency = np.array([[0, 1, 2], [1, 0, 0], [0, 3, 0]])

    def written(folder, order, shown=names):
        (tmp_path / folder).mkdir()
        rows = [",".join(shown[node] for node in order), *(",".join(map(str, row)) for row in levels[:, order])]
        (tmp_path / folder / "levels.csv").write_text("\n".join(rows))
        square = [f"{shown[s]}," + ",".join(str(adjacency[s, t]) for t in order) for s in order]
        head = "," + ",".join(shown[node] for node in order)
        (tmp_path / folder / "levels_adj.csv").write_text("\n".join([head, *square]))
        return tmp_path / folder / "levels.csv"

    def forecast(file):
        picture = tmp_path / "forecast.png"
        assert said("combined", "predict", tmp_path / "run", file, "--out", picture)[::2] == (0, "")
        return picture.with_suffix(".csv").read_text()

    first = written("first", [0, 1, 2])
    typed = [*SMALL, "--lags", 4, "--horizon", 2, "--out", tmp_path / "run"]
    assert said("combined", "train", "--data", first, *typed)[0] == 0
    assert (
        forecast(first)
        == forecast(written("other", [2, 0, 1]))
        == forecast(written("upper", [1, 2, 0], ["A", "B", "C"]))
    )
    code, _, error = said("combined", "predict", tmp_path / "run", written("strange", [0, 1, 2], ["a", "b", "x"]))
    assert code == 2 and "the run does not fit: 'c' is not in levels, and it lacks 'x'" in error
    (tmp_path / "other" / "levels_adj.csv").write_text("a,b,c\n0,1,0\n0,0,1\n1,0,0\n")
    code, _, error = said("combined", "predict", tmp_path / "run", tmp_path / "other" / "levels.csv")
    assert code == 2 and "the adjacency of levels.csv is another than that of the training" in error


def test_options_say_what_is_not_found_out(tmp_path, said):
    data = tmp_path / "plain.csv"
    rows = [",".join("9" if (step + node) % 7 == 3 else f"{value:.3f}" for node, value in enumerate(row))
            for step, row in enumerate(waves(120, 3))]  # fmt: skip
    data.write_text("\n".join(["101,102,103", *rows]))
    typed = [*SMALL, "--lags", 4, "--horizon", 2, "--missing", 9, "--header", "--out", tmp_path / "run"]
    assert said("combined", "train", "--data", data, *typed)[::2] == (0, "")
    code, told, error = said("combined", "predict", tmp_path / "run", data)
    assert (code, error) == (0, "") and "101" in told
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["missing"] == 9 and config["header"] is True and config["day_first"] is None
    code, _, error = said("combined", "train", "--data", data, "--decimal", ";", "--out", tmp_path / "other")
    assert code == 2 and "decimal expects a comma or a point, got ';'" in error


def test_a_run_keeps_the_edges_that_correlation_gave(tmp_path, said):
    data = tmp_path / "plain.csv"
    data.write_text("\n".join(["a,b,c", *(",".join(map(str, row)) for row in waves(120, 3))]))
    typed = [*SMALL[:-1], "--lags", 4, "--horizon", 2, "--out", tmp_path / "run"]
    code, told, _ = said("combined", "train", "--data", data, *typed)
    assert code == 0 and "edges are those of sensors whose changes correlate" in told
    assert said("combined", "predict", tmp_path / "run", data)[::2] == (0, "")


def test_a_series_that_does_not_fit_the_run_is_refused(tmp_path, speeds, said):
    typed = [*SMALL, "--lags", 4, "--horizon", 2, "--out", tmp_path / "run"]
    assert said("combined", "train", "--data", speeds, *typed)[0] == 0
    for values, message in ((waves(20, 3), "the run does not fit: 's3' is not in"), (waves(3), "has 3 steps")):
        code, _, error = said("combined", "predict", tmp_path / "run", write_csv(tmp_path / "other", values))
        assert code == 2 and message in error
    code, _, error = said("combined", "attention", tmp_path / "run", 0)
    assert code == 2 and "was trained on a series, whose attention is a page: give --html" in error
    code, _, error = said("combined", "predict", tmp_path / "run", speeds, "--out", tmp_path / "f.txt")
    assert code == 2 and "--out expects a .png" in error
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    (tmp_path / "run" / "config.json").write_text(json.dumps({**config, "hidden": 8}))
    code, _, error = said("combined", "predict", tmp_path / "run", speeds)
    assert code == 2 and "does not fit the model of config.json" in error
    (tmp_path / "run" / "config.json").write_text(json.dumps({**config, "hidden": "8"}))
    code, _, error = said("combined", "predict", tmp_path / "run", speeds)
    assert code == 2 and "config.json: --hidden expects a whole number, got '8'" in error
    (tmp_path / "run" / "config.json").write_text(json.dumps({k: v for k, v in config.items() if k != "room"}))
    code, _, error = said("combined", "predict", tmp_path / "run", speeds)
    assert code == 2 and "holds a run of None, but this command expects one of combined" in error


@pytest.mark.skipif(not (REAL / "chickenpox").is_dir(), reason="chickenpox is not in $GRAPHREEL_DATA")
def test_the_known_baselines_of_chickenpox_are_printed(tmp_path, said):
    data = REAL / "chickenpox" / "chickenpox.json"
    assert said("combined", "train", "--data", data, "--epochs", 1, "-q", "--out", tmp_path / "run")[::2] == (0, "")
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    known = {"zero": 1.117, "last": 3.03, "linear": 0.819}
    for name, value in known.items():
        assert metrics["baselines"][name]["test_mse"] == pytest.approx(value, abs=0.003)
    assert metrics["baselines"]["ridge"]["test_mse"] < 0.816


def dated_csv(path, steps=200, nodes=3, step=60, start="2024-01-01T00:00", gap=()):
    """Hourly (or other) waves of a day with a level for each sensor, some of them missing."""
    values = waves(steps, nodes) + np.arange(nodes) * 20
    values[list(gap), 0] = math.nan
    times = np.datetime64(start) + np.arange(steps) * np.timedelta64(step, "m")
    rows = [f"{t}," + ",".join("" if math.isnan(v) else f"{v:.4f}" for v in row)
            for t, row in zip(times, values, strict=True)]  # fmt: skip
    path.write_text("\n".join(["time," + ",".join(f"s{n}" for n in range(nodes)), *rows]))
    return path


def rows_of(path):
    with path.open() as file:
        return list(csv.reader(file))


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory):
    from graphreel.__main__ import run

    folder = tmp_path_factory.mktemp("dated")
    data = dated_csv(folder / "speed.csv", gap=range(150, 158))
    typed = [*SMALL, "--lags", 6, "--horizon", 3, "--seeds", 2, "--out", folder / "run"]
    assert run([str(a) for a in ["combined", "train", "--data", data, *typed]]) == 0
    return folder / "run", data


def test_a_forecast_goes_out_with_times_sensors_and_bands(forecaster, said):
    run, data = forecaster
    assert said("combined", "predict", run, data)[::2] == (0, "")
    wide = rows_of(run / "forecast.csv")
    assert wide[0] == ["time", "s0", "s1", "s2"]
    assert [row[0] for row in wide[1:]] == [f"2024-01-09 {hour:02}:00:00" for hour in (8, 9, 10)]
    assert said("combined", "predict", run, data, "--long", "--sensors", "s2,s0")[::2] == (0, "")
    long = rows_of(run / "forecast.csv")
    assert long[0] == ["time", "sensor", "value", "low", "high"] and len(long) == 1 + 9
    for row, (step, node) in zip(long[1:], [(s, n) for s in range(3) for n in range(3)], strict=True):
        value, low, high = map(float, row[2:])
        assert row[:2] == [wide[1 + step][0], f"s{node}"] and low < value < high
        assert value == pytest.approx(float(wide[1 + step][1 + node])) and value - low == pytest.approx(high - value)
    code, _, error = said("combined", "predict", run, data, "--sensors", "s9")
    assert code == 2 and "--sensors names 's9', which speed.csv lacks" in error


def test_a_forecast_from_inside_reads_nothing_that_comes_later(forecaster, said, tmp_path):
    run, data = forecaster
    code, text, _ = said("combined", "predict", run, data, "--at", "2024-01-05 12:00", "--out", tmp_path / "at.png")
    assert code == 0 and "2024-01-05 13:00:00" in text
    head = "\n".join(data.read_text().splitlines()[: 1 + 4 * 24 + 13])
    (tmp_path / "speed.csv").write_text(head)
    assert said("combined", "predict", run, tmp_path / "speed.csv", "--out", tmp_path / "cut.png")[0] == 0
    assert rows_of(tmp_path / "at.csv") == rows_of(tmp_path / "cut.csv")
    code, _, error = said("combined", "predict", run, data, "--at", "2023-12-24")
    assert code == 2 and "at expects a time from 2024-01-01 to 2024-01-09 07:00:00, got 2023-12-24" in error
    code, _, error = said("combined", "predict", run, data, "--at", "2024-01-01 02:00")
    assert code == 2 and "--at expects a time with 6 steps up to it, got 2024-01-01 02:00, with 3" in error


def test_errors_by_sensor_are_masked_and_bands_are_counted(forecaster):
    run, _ = forecaster
    metrics = json.loads((run / "metrics.json").read_text())
    settings = load_run(run).settings
    parts = SeriesParts(load_series(settings)[0], settings)
    own = parts.windows["test"].batch()
    told = next(row for row in metrics["by_sensor"] if row["sensor"] == "s1")
    assert [row["sensor"] for row in metrics["by_sensor"]] == ["s0", "s1", "s2"]
    squares = [row["rmse"] ** 2 for row in metrics["seeds"][0]["by_sensor"]]
    counts = own.observed.sum((0, 1)).double().numpy()
    assert np.average(squares, weights=counts) == pytest.approx(metrics["seeds"][0]["test_mse"])
    assert told["mae"] == pytest.approx(np.mean([row["by_sensor"][1]["mae"] for row in metrics["seeds"]]))
    shares = np.average([row["coverage"] for row in metrics["by_sensor"]], weights=counts)
    assert metrics["coverage"] == pytest.approx(shares) and 0.5 < shares <= 1
    assert all(sum(v[0] for v in row["shares"].values()) == pytest.approx(1) for row in metrics["seeds"])


def test_a_backtest_over_the_test_part_gives_the_figures_of_training(forecaster, said):
    run, data = forecaster
    metrics = json.loads((run / "metrics.json").read_text())
    best = min(metrics["seeds"], key=lambda row: float(load_run(run).entries["best_run"]["seed"] != row["seed"]))
    code, text, error = said("combined", "backtest", run, data)
    assert (code, error) == (0, "") and "without the 160 that the run was trained on" in text
    code, text, error = said("combined", "backtest", run, data, "--start", "2024-01-07 21:00")  # 0.8 * 200 and 6 lags
    rows = rows_of(run / "backtest.csv")
    assert rows[0] == ["time", "rmse", "mae", "coverage"]
    fields = next(line for line in text.splitlines() if line.split()[:1] == ["all"]).split()
    assert float(fields[1]) == pytest.approx(best["test_rmse"], rel=2e-3)
    assert float(fields[2]) == pytest.approx(best["test_mae"], rel=2e-3)
    code, text, _ = said("combined", "backtest", run, data, "--start", "2024-01-02", "--out", run / "more.csv")
    assert code == 0 and rows_of(run / "more.csv")[1][0] == "2024-01-02 00:00:00"
    code, _, error = said("combined", "backtest", run, data, "--out", data)
    assert code == 2 and "which is read" in error


def test_embeddings_are_kept_only_where_validation_is_better(tmp_path, said):
    data = dated_csv(tmp_path / "d.csv")
    typed = [*SMALL[:-1], "--lags", 4, "--horizon", 2, "--no-gate", "--out", tmp_path / "run"]
    code, text, _ = said("combined", "train", "--data", data, *typed)
    assert code == 0 and "embeddings" in text
    row = json.loads((tmp_path / "run" / "metrics.json").read_text())["seeds"][0]
    share = load_run(tmp_path / "run").model.share[0]
    kept = row["val_losses"]["embedded"] < row["val_losses"]["model"]
    assert share[:, 0].tolist() == ([0.0, 1.0] if kept else [1.0, 0.0])
    assert load_run(tmp_path / "run").entries["cycles"] == 2  # of the day and the week


def test_the_network_is_the_same_with_embeddings_beside_it(speeds):
    torch.manual_seed(0)
    plain = Series.load(settings_of(speeds, lags=4, horizon=2, hidden=4, embed=False)).build(0)
    torch.manual_seed(0)
    beside = Series.load(settings_of(speeds, lags=4, horizon=2, hidden=4, embed=True)).build(0)
    beside.model.load_state_dict({**beside.model.state_dict(), **plain.model.state_dict(), "share": beside.model.share})
    own = dict(plain.model.named_parameters())
    for task in (plain, beside):
        task.loss(task.batch(0)).backward()
    for name, parameter in beside.model.named_parameters():
        if name in own and not name.startswith("embedded"):
            torch.testing.assert_close(parameter.grad, own[name].grad)


def test_edges_can_be_learned(tmp_path, said):
    data = dated_csv(tmp_path / "d.csv", nodes=4)
    typed = [*SMALL[:-1], "--lags", 4, "--horizon", 2, "--adjacency", "learned", "--out", tmp_path / "run"]
    code, text, error = said("combined", "train", "--data", data, *typed)
    assert (code, error) == (0, "") and "training weighs them" in text
    model = load_run(tmp_path / "run").model
    assert model.edges.numel() == 12 and float(model.edges.detach().abs().max()) > 0
    assert said("combined", "predict", tmp_path / "run", data)[::2] == (0, "")


def test_times_go_on_as_they_went():
    from graphreel.data.series.times import shown_times, times_after

    def after(texts, count=2, zone=None):
        return shown_times(times_after(np.array(texts, dtype="datetime64[ns]"), count), zone)

    assert after(["2024-01-31", "2024-02-29", "2024-03-31"]) == ["2024-04-30", "2024-05-31"]
    assert after(["2023-10-15", "2023-11-15", "2023-12-15"]) == ["2024-01-15", "2024-02-15"]
    assert after(["2023-07-01", "2023-10-01"]) == ["2024-01-01", "2024-04-01"]
    assert after(["2024-02-27", "2024-02-28"]) == ["2024-02-29", "2024-03-01"]
    summer = after(["2024-03-30T23:00", "2024-03-31T00:00"], 2, "Europe/Berlin")
    assert summer == ["2024-03-31 03:00:00+02:00", "2024-03-31 04:00:00+02:00"]
    assert shown_times(times_after(np.array([1.0, 1.5, 2.0]), 2)) == ["2.5", "3"]
