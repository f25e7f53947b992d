"""Settings of `graphreel combined`: for clips, which are classified, and for series, which are forecast."""

from dataclasses import dataclass
from typing import Any

from graphreel.gnn.registry import ATTENDING, LAYERS
from graphreel.rnn.registry import CAUSAL_CELLS
from graphreel.training.settings import Settings

SPATIAL = (*LAYERS, "none")
COMPARED = ("both", "gnn", "rnn")


class _SpaceTime(Settings):
    """What both kinds of settings check."""

    spatial: str
    hidden: int
    heads: int

    def _check(self) -> None:
        self.expect_one_of("spatial", SPATIAL)
        self.expect_at_least(1, "seeds", "epochs", "batch_size", "hidden", "layers", "heads")
        self.expect_at_least(0, "seed", "patience", "weight_decay")
        self.expect_positive("learning_rate", "clip_norm")
        self.expect_share("dropout")
        if self.spatial in ATTENDING and self.hidden % self.heads:
            raise ValueError(f"--hidden expects a multiple of the {self.heads} heads, got {self.hidden}")


@dataclass(frozen=True)
class ClipSettings(_SpaceTime):
    """Every setting of a training on clips.

    Attributes:
        data: digits, a keypoint .npz or a folder of videos with one subfolder per class.
        compared: empty, or which model of `graphreel combined compare` this is: both, gnn or rnn.
        spatial: gcn, gat or gatv2; none passes each node through linear layers of its own.
        temporal: lstm, gru, rnn or peephole (Gers' variant); none averages the frames.
        bidirectional: whether the recurrent layer also reads backwards.
        pool: of the nodes of a frame: mean, max, attention, or concat where every clip has the same tracks.
        recurrence: frames (pool, then recur) or nodes (recur along each track, then pool).
        convolve: frames that a convolution over time reads at once, before the recurrent layer; 0 for none.
        readout: of the steps: last, mean, max or attention.
        hidden: width of the graph layers, all heads together.
        state: width of the recurrent layer, and of the convolution.
        layers: graph layers.
        heads: attention heads of each.
        residual: add to every graph layer a linear map of the node itself.
        standardize: bring the features to mean 0 and deviation 1, by batch normalisation before the graph layers.
        dropout: before the recurrent layer and before the head.
        drop_features: of the frames' features that the convolution reads, left out of a whole clip.
        distances: keypoints only: every joint also reads how far it is from each other joint.
        bones: keypoints only: every joint also reads the bone to it, its length and its direction.
        gestures: keypoints only: every joint also reads its small steps, told apart from large ones of the body.
        frames: keypoints only: read every clip at so many moments, evenly spread over it; 0 reads all its frames.
        augment: vary training clips where their kind knows how to.
        mirror: keypoints only: classify a clip by the mean probabilities of itself and its mirror image.
        learning_rate: of AdamW, rising for a tenth of the steps, then falling to 0 along half a cosine.
        weight_decay: of AdamW.
        label_smoothing: share of the target spread over all classes.
        clip_norm: largest norm of the gradient.
        batch_size: clips in a batch.
        epochs: passes over the training clips.
        patience: epochs without a better validation loss before stopping; 0 never stops.
        keep: the weights of the best validation loss, or of the last epoch: best or last.
        validation: share of the training clips, of each class, to choose by; digits bring validation clips along.
        seed, seeds: the seeds are seed, seed + 1, ...
        device: auto, cpu or cuda.
    """

    data: str
    compared: str = ""
    spatial: str = "gcn"
    temporal: str = "gru"
    bidirectional: bool = False
    pool: str = "mean"
    recurrence: str = "frames"
    convolve: int = 0
    readout: str = "attention"
    hidden: int = 64
    state: int = 64
    layers: int = 2
    heads: int = 4
    residual: bool = False
    standardize: bool = False
    dropout: float = 0.0
    drop_features: float = 0.0
    distances: bool = False
    bones: bool = False
    gestures: bool = False
    frames: int = 0
    augment: bool = True
    mirror: bool = False
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    label_smoothing: float = 0.0
    clip_norm: float = 5.0
    batch_size: int = 32
    epochs: int = 30
    patience: int = 0
    keep: str = "best"
    validation: float = 0.15
    seed: int = 0
    seeds: int = 1
    device: str = "auto"

    def __post_init__(self) -> None:
        self._check()
        self.expect_one_of("compared", ("", *COMPARED))
        self.expect_one_of("temporal", (*CAUSAL_CELLS, "none"))
        self.expect_one_of("pool", ("mean", "max", "attention", "concat"))
        self.expect_one_of("recurrence", ("frames", "nodes"))
        self.expect_one_of("readout", ("last", "mean", "max", "attention"))
        self.expect_one_of("keep", ("best", "last"))
        self.expect_at_least(1, "state")
        self.expect_at_least(0, "frames", "convolve")
        if self.convolve and self.convolve % 2 == 0:
            raise ValueError(f"--convolve expects an odd number of frames, or 0, got {self.convolve}")
        if self.drop_features and not self.convolve:
            raise ValueError("--drop-features is what a convolution does not see: it goes with --convolve")
        if self.patience and self.keep == "last":
            raise ValueError("--patience waits for a better validation loss, but --keep last looks at none")
        self.expect_share("label_smoothing", "validation", "drop_features")
        self.expect_positive("validation")

    @property
    def model(self) -> str:
        """What the model is called in metrics.json."""
        return self.compared or f"{self.spatial}+{self.temporal}"

    @classmethod
    def resolve(cls, data: str, kind: str, typed: dict[str, Any]) -> "ClipSettings":
        """The preset of the kind of data (digits, keypoints, videos), overridden by what the user typed.

        Raises:
            ValueError: a value out of its range, or an option that only series have.
        """
        cls.check_names(typed, f"clips, and {data} holds clips")
        _keep_to_keypoints(data, kind, typed)
        preset = _varied_or_not(CLIP_PRESETS.get(kind, {}), typed)
        if typed.get("patience"):  # it looks at the validation loss
            preset.pop("keep", None)
        if typed.get("convolve") == 0:
            preset.pop("drop_features", None)
        return cls(**{"data": data, **preset, **typed})

    @classmethod
    def resolve_compared(cls, data: str, kind: str, typed: dict[str, Any]) -> "ClipSettings":
        """As `resolve`, for the three models of a comparison.

        Raises:
            ValueError: as `resolve`, or there would be no graph or no recurrent layer to compare.
        """
        cls.check_names(typed, "a comparison")
        for name in ("spatial", "temporal"):
            if typed.get(name) == "none":
                raise ValueError(f"--{name} none leaves nothing to compare: one of the models goes without it anyway")
        _keep_to_keypoints(data, kind, typed)
        return cls(**{"data": data, **_varied_or_not(COMPARE_PRESETS.get(kind, {}), typed), **typed})


def _varied_or_not(preset: dict[str, Any], typed: dict[str, Any]) -> dict[str, Any]:
    """A preset, in which a model that no mirror images trained sees none."""
    return {name: value for name, value in preset.items() if name != "mirror" or typed.get("augment") is not False}


def _keep_to_keypoints(data: str, kind: str, typed: dict[str, Any]) -> None:
    for name in ("distances", "bones", "gestures", "frames", "mirror"):
        if kind != "keypoints" and typed.get(name):
            raise ValueError(f"--{name} is an option for keypoints, and {data} holds {kind}")


CLIP_PRESETS: dict[str, dict[str, Any]] = {
    "digits": {"spatial": "gat", "epochs": 40},
    "keypoints": {
        "hidden": 32, "layers": 1, "state": 96, "bidirectional": True, "pool": "concat", "convolve": 3,
        "readout": "max", "residual": True, "standardize": True, "dropout": 0.5, "drop_features": 0.2,
        "distances": True, "bones": True, "gestures": True, "frames": 32, "mirror": True,
        "learning_rate": 2e-3, "label_smoothing": 0.1, "batch_size": 32, "epochs": 120, "keep": "last",
        "validation": 0.05,
    },
    "videos": {"spatial": "gat", "epochs": 40, "dropout": 0.2, "batch_size": 16},
}  # fmt: skip
# One head, so that a layer with attention has as many parameters as one without. On seeds 2 and 3 a GCN of this size
# had not learned the structure after 25 epochs (validation accuracy 0.5 and 0.7), a GAT had (0.87 and 0.96).
COMPARE_PRESETS: dict[str, dict[str, Any]] = {
    "digits": {"spatial": "gat", "heads": 1, "seeds": 5, "epochs": 40},
    "keypoints": {**CLIP_PRESETS["keypoints"], "seeds": 5, "epochs": 40},
    "videos": {"heads": 1, "seeds": 5, "epochs": 40, "dropout": 0.2, "batch_size": 16},
}


@dataclass(frozen=True)
class SeriesSettings(_SpaceTime):
    """Every setting of a training on a series of sensors.

    Attributes:
        data: a wide .csv [time x node], or a .json of PyG-Temporal.
        adjacency: the .csv of weights [node x node] beside a .csv; empty looks for NAME_adj.csv.
        lags: steps that a window reads; 0 takes the default of the kind of file.
        horizon: steps that are forecast; 0 takes the default of the kind of file.
        train_fraction: share of the series that trains; its end is the validation part; 0 takes the default.
        memory: window (every forecast starts from nothing) or carried (the state goes through the whole past).
        calendar: let the model read where in the day and week, or in the year, a step is.
        cycle: the same for a series without dates: how many steps its cycle has; 0 for none.
        scale: node (every node to mean 0 and deviation 1) or network (all nodes by the same numbers).
        spatial: gcn, gat or gatv2; none leaves the edges out.
        temporal: lstm, gru, rnn or peephole.
        hidden: width of the graph layer and of the recurrent one.
        layers: graph layers.
        heads: attention heads of each.
        embedding: features learned for every node, read beside the series; 0 for none.
        skip: add the linear forecast (own lags, neighbours' and network's mean), fitted in closed form.
        skip_lags: lags of it, where --memory carried lets it read more than a window; 0: as `lags`.
        season: steps of a season of which a carried state remembers how the earlier ones went; 0 for none. -1 is 52,
            the weeks of a year, or 0 where that is more than half of the training windows.
        loss: mse, mae or huber.
        dropout: before the recurrent layer and before the head.
        learning_rate: of AdamW, rising for a tenth of the steps, then falling to 0 along half a cosine.
        weight_decay: of AdamW.
        clip_norm: largest norm of the gradient.
        batch_size: windows in a batch.
        epochs: passes over the training windows.
        patience: epochs without a better validation loss before stopping; 0 never stops.
        refit: once validation has told the number of epochs, train anew on the validation part as well.
        compare_edges: train the same model without edges too, and tell its errors beside.
        seed, seeds: the seeds are seed, seed + 1, ...
        device: auto, cpu or cuda.
    """

    data: str
    adjacency: str = ""
    lags: int = 0
    horizon: int = 0
    train_fraction: float = 0.0
    memory: str = "window"
    calendar: bool = False
    cycle: float = 0.0
    scale: str = "node"
    spatial: str = "gcn"
    temporal: str = "gru"
    hidden: int = 32
    layers: int = 1
    heads: int = 4
    embedding: int = 0
    skip: bool = True
    skip_lags: int = 0
    season: int = 0
    loss: str = "mse"
    dropout: float = 0.0
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    clip_norm: float = 5.0
    batch_size: int = 32
    epochs: int = 30
    patience: int = 0
    refit: bool = True
    compare_edges: bool = False
    seed: int = 0
    seeds: int = 1
    device: str = "auto"

    def __post_init__(self) -> None:
        self._check()
        self.expect_one_of("temporal", CAUSAL_CELLS)
        self.expect_one_of("memory", ("window", "carried"))
        self.expect_one_of("scale", ("node", "network"))
        self.expect_one_of("loss", ("mse", "mae", "huber"))
        self.expect_at_least(0, "lags", "horizon", "embedding", "skip_lags", "cycle")
        self.expect_at_least(-1, "season")
        if self.season == 1:
            raise ValueError("--season expects at least 2 steps, or 0 for none, got 1")
        if self.season and self.memory != "carried":
            raise ValueError("--season is what a carried state remembers: it goes with --memory carried")
        if self.skip_lags and self.memory != "carried":
            raise ValueError(
                "--skip-lags are read of a carried past, a window has its --lags: it goes with --memory carried"
            )
        self.expect_share("train_fraction")

    @property
    def model(self) -> str:
        """What the model is called in metrics.json."""
        return f"{self.spatial}+{self.temporal}"

    @property
    def dates(self) -> bool | float:
        """What the readers of series take as `calendar`."""
        return self.cycle or self.calendar

    @classmethod
    def resolve(cls, data: str, form: str, typed: dict[str, Any]) -> "SeriesSettings":
        """The preset of the form of file (csv, json), overridden by what the user typed.

        Raises:
            ValueError: a value out of its range, or an option that only clips have.
        """
        cls.check_names(typed, f"a series, and {data} holds one")
        for name in ("lags", "horizon", "train_fraction"):
            if typed.get(name, 1) == 0:
                raise ValueError(f"--{name.replace('_', '-')} expects a number above 0, got 0")
        if form == "json" and typed.get("adjacency"):
            raise ValueError(f"--adjacency goes with a .csv; {data} brings its edges along")
        preset = SERIES_PRESETS["json" if form == "json" else "csv"] | (
            CARRIED if typed.get("memory") == "carried" else {}
        )
        return cls(**{"data": data, **preset, **typed})


SERIES_PRESETS: dict[str, dict[str, Any]] = {
    "csv": {"hidden": 32, "embedding": 8, "loss": "huber", "batch_size": 64, "epochs": 6},
    "json": {
        "scale": "network", "hidden": 16, "dropout": 0.3, "learning_rate": 5e-3, "batch_size": 128, "epochs": 40,
        "compare_edges": True,
    },
}  # fmt: skip
CARRIED: dict[str, Any] = {"season": -1, "epochs": 80}
