"""graphreel data describe."""


def test_describe_reads_as_the_options_of_a_training_say(said, tmp_path):
    """An hour that summer time skips is a gap without a time zone, and none with it."""
    path = tmp_path / "sensors.csv"
    hours = [f"2024-03-31 {hour:02}:00" for hour in (*range(2), *range(3, 24))]
    hours += [f"2024-04-0{day} {hour:02}:00" for day in range(1, 9) for hour in range(24)]
    rows = "".join(f"{time},{place % 24},{place % 7}\n" for place, time in enumerate(hours))
    path.write_text(f"time,a,b\n{rows}", encoding="utf-8")
    assert "216 steps" in said("data", "describe", path)[1]
    assert "215 steps" in said("data", "describe", path, "--timezone", "Europe/Berlin")[1]
    code, _, error = said("data", "describe", path, "--label", "a")
    assert code == 2 and "--label is not an option for a series" in error
