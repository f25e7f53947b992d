"""Tables as people own them: what is found out, what is said, and what the options override."""

import numpy as np
import pandas
import pytest
import torch

from graphreel.data import load
from graphreel.data.series.sensor_values import SeriesOptions
from graphreel.data.series.sensors import read_series

STEPS = 60


def wave(nodes: int = 2) -> np.ndarray:
    steps = np.arange(STEPS)[:, None]
    return np.round(50 + 5 * np.sin(steps / 4 + np.arange(nodes)), 2)


def hours(count: int = STEPS) -> list[str]:
    return [str(time) for time in np.datetime64("2024-01-01T00:00:00") + np.arange(count) * np.timedelta64(1, "h")]


def table(path, times, values, names=("a", "b"), separator=",", decimal="."):
    rows = [separator.join(["time", *names])]
    for time, row in zip(times, values, strict=True):
        fields = [value if isinstance(value, str) else f"{value:.2f}".replace(".", decimal) for value in row]
        rows.append(separator.join([time, *fields]))
    path.write_text("\n".join(rows) + "\n")
    return path


def read(path, **options):
    return load(path, lags=4, horizon=2, adjacency="none", **options).series


def said(series, words):
    return any(words in note for note in series.notes)


def test_semicolons_decimal_commas_a_byte_order_mark_and_days_first(tmp_path):
    path = tmp_path / "european.csv"
    days = [f"{1 + step // 24:02}.01.2024 {step % 24:02}:00" for step in range(STEPS)]
    table(path, days, wave(), ("A1", "B2"), ";", ",")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    series = read(path)
    assert series.nodes == ["A1", "B2"] and torch.equal(series.values[:, :, 0], torch.from_numpy(wave()))
    assert str(series.times[25]) == "2024-01-02T01:00:00.000000000" and series.observed.all()
    assert said(series, "semicolon, with decimal commas") and said(series, "with the day first")


@pytest.mark.parametrize(("separator", "suffix"), [("\t", ".tsv"), ("|", ".csv"), (";", ".csv")])
def test_other_separators(tmp_path, separator, suffix):
    series = read(table(tmp_path / f"a{suffix}", hours(), wave(), separator=separator))
    assert torch.equal(series.values[:, :, 0], torch.from_numpy(wave()))


def test_thousands_are_grouped(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a;b\n" + "1.234,5;7,25\n" * STEPS)
    assert read(path).values[0, :, 0].tolist() == [1234.5, 7.25]
    path.write_text('a,b\n"1,234.5",7.25\n' + '"1,000.5",7.5\n' * STEPS)
    assert read(path).values[0, :, 0].tolist() == [1234.5, 7.25]
    path.write_text("a;b\n" + "1,5;7.25\n" * STEPS)
    with pytest.raises(ValueError, match=r"a.csv has numbers like '1,5' and like '7.25': give --decimal"):
        read(path)


def test_rows_in_any_order_are_sorted(tmp_path):
    series = read(table(tmp_path / "a.csv", hours()[::-1], wave()[::-1]))
    assert torch.equal(series.values[:, :, 0], torch.from_numpy(wave())) and said(series, "sorted by time")


def test_steps_without_a_row_are_missing(tmp_path):
    kept = [step for step in range(STEPS) if not 20 <= step < 30]
    series = read(table(tmp_path / "a.csv", [hours()[step] for step in kept], wave()[kept]))
    assert series.values.shape == (STEPS, 2, 2)
    assert (~series.observed.all(1)).nonzero().flatten().tolist() == list(range(20, 30))
    assert torch.equal(series.values[kept, :, 0], torch.from_numpy(wave()[kept]))
    assert str(series.times[25]) == "2024-01-02T01:00:00.000000000"
    assert said(series, "10 of 60 steps have no row, the first between 2024-01-01 19:00:00 and 2024-01-02 06:00:00")


@pytest.mark.parametrize("token", ["NA", "N/A", "null", "-", "nan", "", "NULL", "#N/A", "?"])
def test_what_means_missing(tmp_path, token):
    values = wave().astype(object)
    values[7, 0] = token
    series = read(table(tmp_path / "a.csv", hours(), values))
    assert (~series.observed).nonzero().tolist() == [[7, 0]]


@pytest.mark.parametrize(
    "times",
    [
        [f"2024-01-01T00:00:{step * 50 // 1000:02}.{step * 50 % 1000:03}" for step in range(STEPS)],
        [str(np.datetime64("2017-11-30") + day).replace("-", "") for day in range(STEPS)],
        [str(1_700_000_000 + 300 * step) for step in range(STEPS)],
        [f"{step * 0.04:.2f}" for step in range(STEPS)],
        [f"{2000 + month // 12}-{month % 12 + 1:02}-15" for month in range(STEPS)],
        [str(np.datetime64("2000-02") + month + 1 - np.timedelta64(1, "D")) for month in range(STEPS)],
        [f"1/{1 + day % 28}/24 {8 + 12 * (day // 28)}:00" for day in range(28)],
        [f"{hour % 12 or 12}:00 {'AM' if hour < 12 else 'PM'} 3 May 2024" for hour in range(24)],
    ],
)
def test_even_steps_of_every_kind(tmp_path, times):
    series = read(table(tmp_path / "a.csv", times, wave()[: len(times)]), train_fraction=0.7)
    assert len(series.values) == len(times) and series.observed.all() and len(series.times) == len(times)


def test_the_whole_column_tells_days_from_months(tmp_path):
    dates = [str(day) for day in np.datetime64("2024-01-01") + np.arange(STEPS)]
    parts = [date.split("-") for date in dates]
    for order, first in (((2, 1, 0), "day"), ((1, 2, 0), "month")):
        times = ["/".join(part[place] for place in order) for part in parts]
        series = read(table(tmp_path / "a.csv", times, wave()))
        assert str(series.times[40])[:10] == dates[40] and said(series, f"with the {first} first")
        path = table(tmp_path / "a.csv", times[:12], wave()[:12])  # read the other way, these are months
        short = read_series(path, "none", options=SeriesOptions(day_first=first == "day"))
        assert str(short.times[4])[:10] == dates[4]
        with pytest.raises(ValueError, match="which may be day first or month first"):
            read_series(path, "none")
    unclear = [f"{1 + step % 12:02}/{1 + step // 12:02}/2024" for step in (0, 13, 26, 39, 52)] * 3
    with pytest.raises(ValueError, match=r"a.csv has dates such as '01/01/2024', which may be day first or month"):
        read(table(tmp_path / "a.csv", unclear, wave()[:15]))
    with pytest.raises(ValueError, match=r"a.csv has dates with the day first and with the month first, such as"):
        read(table(tmp_path / "a.csv", ["13/01/2024", "01/14/2024"] * 30, wave()))


def test_daylight_saving_is_taken_off(tmp_path):
    utc = pandas.date_range("2024-10-26", periods=STEPS, freq="h", tz="UTC")
    local = [str(time)[:19] for time in utc.tz_convert("Europe/Berlin")]
    path = table(tmp_path / "a.csv", local, wave())
    series = read(path, timezone="Europe/Berlin")
    assert (series.times == utc.tz_localize(None).to_numpy()).all() and series.observed.all()
    assert said(read(path), "1 rows are of a time that another row has: their mean counts")
    with pytest.raises(ValueError, match="timezone expects a name such as Europe/Berlin, got 'Mars'"):
        read(path, timezone="Mars")
    offsets = [str(time) for time in utc.tz_convert("Europe/Berlin")]
    assert (read(table(path, offsets, wave())).times == series.times).all()


@pytest.mark.parametrize(("duplicates", "value"), [("mean", 2.0), ("first", 1.0), ("last", 3.0)])
def test_rows_of_one_time(tmp_path, duplicates, value):
    values = wave()
    values[10], values[11] = 1.0, 3.0
    times = hours(STEPS - 1)
    times.insert(11, times[10])
    path = table(tmp_path / "a.csv", times, values)
    series = read(path, duplicates=duplicates)
    assert len(series.values) == STEPS - 1 and series.values[10, :, 0].tolist() == [value, value]
    with pytest.raises(ValueError, match="1 rows of a time that another row has"):
        read(path, duplicates="refuse")
    with pytest.raises(ValueError, match="duplicates must be mean, first, last or refuse, got 'sum'"):
        read(path, duplicates="sum")


def test_uneven_steps_are_refused_or_gathered(tmp_path):
    minutes = np.arange(STEPS) * 10 + np.random.default_rng(0).integers(0, 9, STEPS)
    times = [str(np.datetime64("2024-01-01T00:00") + int(minute)) for minute in minutes]
    path = table(tmp_path / "a.csv", times, wave())
    with pytest.raises(ValueError, match=r"a.csv has uneven steps: .* is followed by .*: give --every, such as "):
        read(path)
    series = read(path, every="10min")
    assert torch.equal(series.values[:, :, 0], torch.from_numpy(wave()))
    half = read(path, every="20min")
    assert torch.allclose(half.values[:, :, 0], torch.from_numpy(wave()).reshape(30, 2, 2).mean(1))
    with pytest.raises(ValueError, match="every expects the length of a step, such as 1h or 15min, got 'often'"):
        read(path, every="often")


def test_a_table_of_a_few_rows_over_centuries_is_refused(tmp_path):
    times = ["1900-01-01T00:00:00", *hours(), "2100-01-01T00:00:00"]
    with pytest.raises(ValueError, match=r"a.csv has uneven steps: 1900-01-01 00:00:00 is followed by 2024-01-01"):
        read(table(tmp_path / "a.csv", times, wave()[[0, *range(STEPS), 0]]))


def test_a_long_table(tmp_path):
    rows = [f"{time},{name},{value:.2f},{10 * value:.1f}" for time, row in zip(hours(), wave(), strict=True)
            for name, value in zip(("north", "east"), row, strict=True)]  # fmt: skip
    path = tmp_path / "long.csv"
    del rows[9]
    path.write_text("time,sensor,flow,speed\n" + "\n".join(rows) + "\n")
    series = read(path)
    assert series.nodes == ["north", "east"] and series.channels == ["flow", "speed"]
    assert (~series.observed).nonzero().tolist() == [[4, 1]]
    assert torch.allclose(series.values[5, :, 0], torch.from_numpy(wave()[5]))
    assert said(series, "is long: 2 sensors at 60 times in 119 rows") and said(series, "flow is forecast")
    other = read(path, target="speed")
    assert torch.allclose(other.values[5, :, 0], torch.from_numpy(10 * wave()[5])) and other.channels[0] == "speed"
    with pytest.raises(ValueError, match=r"long.csv has no channel 'heat': it has flow, speed"):
        read(path, target="heat")


def test_channels_are_scaled_by_the_training_part_and_stand_beside_the_target(tmp_path):
    names = ("a:flow", "a:speed", "b:flow", "b:speed")
    values = np.concatenate([wave(), 1000 + 100 * wave()], axis=1)[:, [0, 2, 1, 3]]
    splits = load(table(tmp_path / "a.csv", hours(), values, names), lags=4, horizon=2, adjacency="none")
    assert splits.series.nodes == ["a", "b"] and splits.series.channels == ["flow", "speed"]
    assert splits.series.values.shape == (STEPS, 2, 2)
    known = splits.train.stop + 4 + 2 - 1
    model_reads = splits.train.series.values[:known, :, 1]
    assert abs(float(model_reads.mean())) < 1e-5 and abs(float(model_reads.std(correction=0)) - 1) < 1e-5
    assert splits.train.batch().x.shape[-1] == 2


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame(wave(), index=pandas.DatetimeIndex(hours()), columns=["a", "b"])
    frame.to_parquet(tmp_path / "a.parquet")
    series = read(tmp_path / "a.parquet")
    assert series.nodes == ["a", "b"] and str(series.times[1])[:13] == "2024-01-01T01"
    assert torch.equal(series.values[:, :, 0], torch.from_numpy(wave()))
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"b.parquet is not readable as parquet"):
        read(tmp_path / "b.parquet")


def test_what_is_decided_about_numbers_in_the_first_row(tmp_path):
    path = tmp_path / "a.csv"

    def names(text, **options):
        path.write_text(text)
        series = read(path, **options)
        return series.nodes, len(series.values), series

    body = "\n".join(f"{v[0]},{v[1]},60.5" for v in wave()) + "\n"
    nodes, steps, series = names("1,2,3\n" + body)
    assert (nodes, steps) == (["1", "2", "3"], STEPS) and said(series, "is taken for names (--no-header")
    nodes, steps, _ = names("1,2,3\n" + body, header=False)
    assert (nodes, steps) == (["0", "1", "2"], STEPS + 1)
    counts = "412,388,501\n" + "\n".join(f"{90 + step % 7},{85 + step % 5},{100 + step % 3}" for step in range(STEPS))
    nodes, steps, series = names(counts)
    assert (nodes, steps) == (["0", "1", "2"], STEPS + 1) and said(series, "is taken for values (--header")
    assert names(counts, header=True)[0] == ["412", "388", "501"]
    assert names("773869,767541,767542\n" + body)[0] == ["773869", "767541", "767542"]


def test_zeros_that_look_like_gaps_are_noted(tmp_path):
    values = wave()
    values[[5, 17, 30, 31], 1] = 0
    path = table(tmp_path / "a.csv", hours(), values)
    assert said(read(path), "6.7% of b are zeros that look like gaps: --missing 0 says they are missing")
    masked = read(path, missing=0)
    assert (~masked.observed).nonzero().tolist() == [[5, 1], [17, 1], [30, 1], [31, 1]]
    assert not said(masked, "zeros")
    values[[5, 17, 30, 31], 1] = -999
    assert said(read(table(path, hours(), values)), "6.7% of b are -999, which looks like a gap: --missing -999 says")
    counts = np.random.default_rng(0).poisson(1.0, (STEPS, 2)).astype(float)
    assert not said(read(table(path, hours(), counts)), "zeros")


@pytest.mark.parametrize("offset", [0.0, 1e8, 1e12])
def test_an_offset_changes_nothing_that_a_model_reads(tmp_path, offset):
    values = wave()
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "\n".join(f"{a:.2f},{b:.2f}" for a, b in values + offset) + "\n")
    splits = load(path, lags=4, horizon=2, adjacency="none")
    path.write_text("a,b\n" + "\n".join(f"{a:.2f},{b:.2f}" for a, b in values) + "\n")
    plain = load(path, lags=4, horizon=2, adjacency="none")
    tolerance = 1e-6 + 1e-15 * offset
    assert torch.allclose(splits.train.series.values, plain.train.series.values, atol=tolerance)
    batch = splits.test.batch()
    undone = splits.test.scaling.undo(batch.y)
    assert torch.allclose(undone[-1, -1] - offset, torch.from_numpy(values[-1]), atol=1e-5 + 1e-15 * offset)


def test_sensors_named_twice_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a.csv names the sensor 'a' 2 times"):
        read(table(tmp_path / "a.csv", hours(), wave(), ("a", "a")))


def test_waves_of_the_calendar_are_those_of_the_clock(tmp_path):
    whole = read(table(tmp_path / "a.csv", hours(), wave()), calendar=True)
    later = read(table(tmp_path / "b.csv", hours()[7:], wave()[7:]), calendar=True)
    assert torch.allclose(whole.values[7:, :, 1:], later.values[:, :, 1:])
