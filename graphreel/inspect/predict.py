"""`graphreel combined predict`: classes of new clips, or the forecast of a new series."""

import csv
import io
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from graphreel.core.atomic_files import refuse_to_overwrite, write_text, write_whole
from graphreel.core.labels import plain
from graphreel.data.registry import data_set
from graphreel.experiments.series_parts import TRACES, with_traces
from graphreel.experiments.series_settings import SeriesSettings
from graphreel.inspect.clip_table import FootageOptions
from graphreel.inspect.load_run import TrainedRun, load_run
from graphreel.inspect.predict_clips import predict_clips
from graphreel.training.curves import BLUE, ORANGE

_SHOWN = 8  # nodes in the terminal and in the picture


def predict(
    path: Path, file: Path | None, adjacency: Path | None, out: Path | None, top: int, options: FootageOptions
) -> str:
    """What the run in `path` says of a file, as text; of a series, of several clips or of a long video also in files.

    Raises:
        ValueError, OSError: a run without weights, a file that is unreadable or does not fit the run.
    """
    trained = load_run(path, "clips", "series")
    if trained.kind == "clips":
        return predict_clips(trained, file, out, top, options)
    if file is None or options != FootageOptions():
        raise ValueError(f"{path} was trained on a series, which is a file and no footage")
    return _forecast(trained, file, adjacency, out)


def read_series(file: Path, adjacency: Path | None, settings: SeriesSettings, saved: dict[str, Any]) -> Any:
    """The series of a file, with the features that the training's had.

    Raises:
        ValueError: a file that is no series, with other nodes than the training's or fewer steps than a window reads.
    """
    from dataclasses import replace

    from graphreel.data.series import sensors
    from graphreel.data.series.sensor_values import SeriesOptions

    if data_set(file).kind != "series":
        raise ValueError(f"the run was trained on a series and expects a file of one, got {file.name}")
    own = None if file.suffix.lower() == ".json" else adjacency or settings.adjacency or None
    series = sensors.read_series(file, own, settings.dates, SeriesOptions(**settings.reading))
    if len(series.nodes) != len(saved["nodes"]):
        raise ValueError(f"{file.name} has {len(series.nodes)} nodes, but the run was trained on {len(saved['nodes'])}")
    series = series.in_order_of(saved["nodes"], "the run")
    trained_on = saved.get("edges")
    if series.edge_source == "correlation":
        if trained_on is None:
            raise FileNotFoundError(f"no adjacency for {file.name}: give --adjacency FILE, as the training had one")
        series = replace(series, edge_index=trained_on[0], edge_weight=trained_on[1])
    elif trained_on is not None and not sensors.same_edges((series.edge_index, series.edge_weight), trained_on):
        raise ValueError(f"the adjacency of {file.name} is another than that of the training")
    step, trained_step = series.step, saved.get("step")
    if step is not None and trained_step is not None and not 0.8 < step / trained_step < 1.25:
        raise ValueError(
            f"{file.name} has a step every {step:g}, but the run was trained on one every {trained_step:g}"
        )
    steps, _, features = series.values.shape
    if steps < settings.lags:
        raise ValueError(f"{file.name} has {steps} steps, but the run reads {settings.lags}")
    read = saved["features"] - TRACES * bool(settings.season)
    if features == read + 1:  # values are missing here, and were not in training
        series = replace(series, values=torch.cat([series.values[..., :1], series.values[..., 2:]], dim=2))
    elif features == read - 1:  # the reverse
        mask = series.observed[..., None].double()
        series = replace(series, values=torch.cat([series.values[..., :1], mask, series.values[..., 1:]], dim=2))
    elif features != read:
        raise ValueError(
            f"{file.name} gives {features} features of every node, but the run was trained on {read}: "
            "its steps are of another length, so that --calendar reads other cycles"
        )
    return series


@torch.no_grad()
def forecast_of(trained: TrainedRun, file: Path, adjacency: Path | None) -> tuple[Tensor, Any]:
    """The forecast [horizon, nodes] of the steps after the end of a file, in its units, and its series."""
    from graphreel.data.series.windows import Scaling, Windows

    settings, saved = trained.settings, trained.entries
    series = read_series(file, adjacency, settings, saved)
    scaling = Scaling(**saved["scaling"])
    steps = len(series.values)
    first = steps - settings.lags
    scaled = with_traces(scaling.apply(series), settings.season)
    windows = Windows(scaled, settings.lags, settings.horizon, first, first + 1, scaling)
    if settings.memory == "carried":
        batch, origins = windows.past(targets=False)
    else:
        batch, origins = windows.batch(targets=False), None
    forecast = trained.model(batch.x, batch.edge_index, batch.edge_weight, batch.frame, origins)[0]
    return scaling.undo(forecast), series


def _forecast(trained: TrainedRun, file: Path, adjacency: Path | None, out: Path | None) -> str:
    picture = Path(out) if out is not None else trained.folder.path / "forecast.png"
    if picture.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ValueError(f"--out expects a .png, .svg or .pdf, got {picture.name}")
    read = [file, *file.parent.glob("*_adj.csv"), *([adjacency] if adjacency is not None else [])]
    refuse_to_overwrite([picture.with_suffix(".csv")], read)
    forecast, series = forecast_of(trained, file, adjacency)
    _draw(series, forecast, picture)
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(["step", *series.nodes])
    writer.writerows([[step + 1, *values] for step, values in enumerate(forecast.tolist())])
    table = write_text(picture.with_suffix(".csv"), rows.getvalue())
    shown = min(_SHOWN, len(series.nodes))
    names = [name[:10] for name in series.nodes[:shown]]
    lines = [f"  {note}" for note in series.notes] + ["  step" + "".join(f"{name:>12}" for name in names)]
    lines += [
        f"  {step + 1:>4}" + "".join(f"{v:>12.4g}" for v in row[:shown]) for step, row in enumerate(forecast.tolist())
    ]
    if shown < len(series.nodes):
        lines.append(f"  ({shown} of {len(series.nodes)} nodes; all in {table.name})")
    return "\n".join([*lines, f"  in {picture.parent}: {picture.name}, {table.name}"])


def _draw(series: Any, forecast: Tensor, path: Path) -> Path:
    horizon, nodes = forecast.shape
    shown = min(_SHOWN, nodes)
    past = min(len(series.values), max(24, 4 * horizon))
    figure = Figure(figsize=(10, 1.5 * shown + 0.8), layout="constrained")
    for axis, node in zip(figure.subplots(shown, 1, sharex=True, squeeze=False)[:, 0], range(shown), strict=True):
        own = series.values[-past:, node, 0].clone()
        own[~series.observed[-past:, node]] = torch.nan
        axis.plot(range(-past + 1, 1), own, color=BLUE, linewidth=1.3, label="series")
        joined = torch.cat([own[-1:], forecast[:, node]])
        axis.plot(range(horizon + 1), joined, color=ORANGE, marker=".", linewidth=1.3, label="forecast")
        axis.axvline(0, color="#666666", linewidth=0.8, linestyle="--")
        axis.set_ylabel(plain(series.nodes[node]), fontsize=8)
        axis.grid(alpha=0.25)
    axis.set_xlabel("steps from the end of the series")
    figure.axes[0].legend(frameon=False, fontsize=8, loc="upper left")
    figure.suptitle(plain(f"{series.name}: {horizon} step{'s'[: horizon > 1]} ahead"))
    return write_whole(path, lambda beside: figure.savefig(beside, dpi=120))
