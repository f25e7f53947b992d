"""Settings of `graphreel combined train` on a series of sensors, which is forecast."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from graphreel.experiments.clip_settings import SPATIAL
from graphreel.gnn.registry import ATTENDING
from graphreel.rnn.registry import CAUSAL_CELLS
from graphreel.training.optimizers import optimizer_option
from graphreel.training.option import at_least, at_most, one_of, option, positive, share, size, times, times_or_none
from graphreel.training.schedules import schedule_option
from graphreel.training.settings import Settings

_CARRIED: dict[str, Any] = {"season": -1, "epochs": 80}
# Steps of a day in published series that come without dates: every 5 minutes, of Shenzhen's taxis every 15.
_DAILY = {"los_speed.csv": 288, "sz_speed.csv": 96, **{f"pems0{number}.npz": 288 for number in (3, 4, 7, 8)}}
_FOUND_OUT: dict[str, Any] = {"panel": "Data", "before": None}
_steps = (at_least(0), at_most(1_000_000))


@dataclass(frozen=True)
class SeriesSettings(Settings):
    """Every setting of a training on a wide .csv [time x node], or on a .json of PyG-Temporal.

    `lags`, `horizon` and `train_fraction` of 0 take the default of the kind of file. A `season` of -1 is 52, the weeks
    of a year, or 0 where that is more than half of the training windows.
    """

    ROOM = "combined"
    KINDS = ("series",)
    CALLED = "a series, and {data} holds one"
    PANEL = "Series"
    READING = (
        "missing", "header", "separator", "decimal", "encoding", "timezone", "day_first", "every", "target",
        "duplicates",
    )  # fmt: skip
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "csv": {"hidden": 32, "embedding": 8, "embed": True, "loss": "huber", "batch_size": 64, "epochs": 6},
        "json": {
            "scale": "network", "hidden": 16, "dropout": 0.3, "learning_rate": 5e-3, "batch_size": 128, "epochs": 40,
        },
    }  # fmt: skip

    adjacency: str = option(
        "",
        "A file (matrix, edges, distances or coordinates), correlation, learned or none; left out, NAME_adj.csv and "
        "the like.",
    )
    missing: float | None = option(None, "A value that also means missing, such as 0.", panel="Data", before=None)
    header: bool | None = option(None, "Whether the first row holds names; left out, found out.", **_FOUND_OUT)
    separator: str | None = option(None, "Sign between fields; left out, found out.", **_FOUND_OUT)
    decimal: str | None = option(None, "Decimal sign; left out, found out.", **_FOUND_OUT)
    encoding: str | None = option(None, "Of the text; left out, UTF-8 or found out.", **_FOUND_OUT)
    timezone: str | None = option(None, "Of times without an offset, such as Europe/Berlin.", **_FOUND_OUT)
    day_first: bool | None = option(
        None, "Read 01/02 as 1 February; left out, the column decides.", off="--month-first", **_FOUND_OUT
    )
    duplicates: str = option(
        "mean", "Of rows of one time", check=one_of("mean", "first", "last", "refuse"), panel="Data", before="mean"
    )
    every: str | None = option(None, "Length of a step, such as 1h, to gather uneven rows into.", **_FOUND_OUT)
    target: str | None = option(None, "Of several channels, the one to forecast.", **_FOUND_OUT)
    lags: int = option(0, "Steps that are read; left out, 4 or 7 of a .json, 12 of a .csv.", check=_steps, by_data=True)
    horizon: int = option(
        0, "Steps that are forecast; left out, 1 of a .json, 12 of a .csv.", check=_steps, by_data=True
    )
    train_fraction: float = option(
        0.0, "Share that trains; left out, 0.9 or 0.8 of a .json, 0.8 of a .csv.", check=share, by_data=True
    )
    memory: str = option(
        "window", "Every forecast starts from nothing, or the state goes through the whole past",
        check=one_of("window", "carried"),
    )  # fmt: skip
    calendar: bool = option(False, "Read where in the day and week, or in the year, a step is.")
    cycle: float = option(
        0.0, "Of a series without dates: steps of a cycle to read; 0: none, left out, a day of los_speed.csv.",
        check=at_least(0), before=0.0,
    )  # fmt: skip
    scale: str = option(
        "node", "Every node to mean 0 and deviation 1, or all by the same numbers", check=one_of("node", "network"),
        before="node",
    )  # fmt: skip
    spatial: str = option("gcn", "Graph layers; none: each node for itself", check=one_of(*SPATIAL))
    temporal: str = option("gru", "Recurrent layer", check=one_of(*CAUSAL_CELLS))
    hidden: int = option(32, "Width of the graph layers, all heads together.", check=size)
    layers: int = option(1, "Graph layers.", check=(at_least(1), at_most(1000)))
    heads: int = option(4, "Attention heads of each graph layer.", check=size)
    embedding: int = option(0, "Features learned for every node; 0: none.", check=(at_least(0), at_most(1_000_000)))
    embed: bool = option(
        False, "Embeddings of node, time of day and day of week, if they lower the validation loss.", before=False
    )  # fmt: skip
    skip: bool = option(True, "Add the linear forecast, fitted in closed form.")
    skip_lags: int = option(
        0, "With --memory carried: lags of the linear forecast; 0: as --lags.", check=_steps, before=0
    )
    season: int = option(
        0, "With --memory carried: steps of a season whose earlier ones are remembered; 0: none.",
        check=(at_least(-1), at_most(1_000_000)), before=0,
    )  # fmt: skip
    loss: str = option("mse", "What is minimised", check=one_of("mse", "mae", "huber"))
    huber: float = option(
        1.0, "Of --loss huber: mean deviations from which an error counts linearly.", check=positive, before=0.25
    )  # fmt: skip
    dropout: float = option(0.0, "Before the recurrent layer and before the head.", check=share)
    learning_rate: float = option(3e-3, "Peak step size.", check=positive, names="--lr", panel="Training")
    schedule: str = schedule_option("warm-cosine")
    optimizer: str = optimizer_option("adamw")
    weight_decay: float = option(1e-2, "Of the weights; in Adam an L2 penalty.", check=at_least(0), panel="Training")
    clip_norm: float = option(5.0, "Largest norm of the gradient.", check=positive, panel="Training")
    batch_size: int = option(32, "Clips or windows in a batch.", check=size, panel="Training")
    epochs: int = option(30, "Passes over the training part.", check=times, names="--steps", panel="Training")
    patience: int = option(
        0, "Epochs without a better validation loss before stopping; 0: never.", check=times_or_none, panel="Training"
    )
    refit: bool = option(True, "Once the epochs are chosen, train anew with the validation part.", before=False)
    gate: bool = option(True, "Weigh the model against its baselines, sensor by sensor, by validation.", before=False)
    coverage: float = option(
        0.9, "Share of values that the bands of forecasts shall hold; 0: no bands.", check=share, before=0.0
    )  # fmt: skip
    compare_edges: bool = option(True, "Also train the same model without edges.", off="--edges-only", before=False)

    def check(self) -> None:
        if self.spatial in ATTENDING and self.hidden % self.heads:
            raise ValueError(f"--hidden expects a multiple of the {self.heads} heads, got {self.hidden}")
        if self.season == 1:
            raise ValueError("--season expects at least 2 steps, or 0 for none, got 1")
        if self.season and self.memory != "carried":
            raise ValueError("--season is what a carried state remembers: it goes with --memory carried")
        if self.skip_lags and self.memory != "carried":
            raise ValueError(
                "--skip-lags are read of a carried past, a window has its --lags: it goes with --memory carried"
            )

    @property
    def model(self) -> str:
        """What the model is called in metrics.json."""
        return f"{self.spatial}+{self.temporal}"

    @property
    def dates(self) -> bool | float:
        """What the readers of series take as `calendar`."""
        return self.cycle or self.calendar

    @classmethod
    def of_data(cls, data: str, kind: str, typed: Mapping[str, Any]) -> Mapping[str, Any]:
        form = "json" if Path(data).suffix.lower() == ".json" else "csv"
        if form == "json" and typed.get("adjacency"):
            raise ValueError(f"--adjacency goes with a .csv; {data} brings its edges along")
        daily = {} if typed.get("calendar") else {"cycle": _DAILY.get(Path(data).name.lower(), 0)}
        return {**cls.PRESETS[form], **daily, **(_CARRIED if typed.get("memory") == "carried" else {})}
