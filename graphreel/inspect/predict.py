"""`graphreel combined predict`: classes of new clips, or the forecast of a new series."""

from pathlib import Path

from graphreel.inspect.clip_table import FootageOptions
from graphreel.inspect.forecasts import Asked, write_forecast
from graphreel.inspect.load_run import load_run
from graphreel.inspect.predict_clips import predict_clips


def predict(
    path: Path,
    file: Path | None,
    adjacency: Path | None,
    out: Path | None,
    top: int,
    options: FootageOptions,
    asked: Asked,
) -> str:
    """What the run in `path` says of a file, as text; of a series, of several clips or of a long video also in files.

    Raises:
        ValueError, OSError: a run without weights, a file that is unreadable or does not fit the run.
    """
    trained = load_run(path, "clips", "series")
    if trained.kind == "clips":
        if asked != Asked():
            raise ValueError(f"--sensors, --at and --long are for forecasts, and {path} was trained on clips")
        return predict_clips(trained, file, out, top, options)
    if file is None or options != FootageOptions():
        raise ValueError(f"{path} was trained on a series, which is a file and no footage")
    return write_forecast(trained, file, adjacency, out, asked)
