"""Settings of `graphreel combined train` and `compare` on clips, which are classified."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from graphreel.gnn.registry import ATTENDING, LAYERS
from graphreel.rnn.registry import CAUSAL_CELLS
from graphreel.training.class_weights import class_weights_option
from graphreel.training.optimizers import optimizer_option
from graphreel.training.option import (
    Setting,
    at_least,
    at_most,
    dashed,
    one_of,
    option,
    positive,
    share,
    size,
    times,
    times_or_none,
)
from graphreel.training.schedules import schedule_option
from graphreel.training.settings import Settings

SPATIAL = (*LAYERS, "none")
COMPARED = ("both", "gnn", "rnn")
APART = "apart"  # compared too, where there are several people: both networks, without the edges between them
GRAPHS = ("auto", "patches", "superpixels", "poses")
# what only some kinds of data have
_OWN_OPTIONS: dict[str, tuple[str, ...]] = {
    "keypoints": ("third",),
    "videos": ("graph", "regions", "motion", "height", "pose_model"),
    "keypoints and videos": (
        "people",
        "skip_damaged",
        "distances",
        "bones",
        "gestures",
        "frames",
        "mirror",
        "split_by",
        "folds",
    ),
}

_KEYPOINTS: dict[str, Any] = {
    "hidden": 32, "layers": 1, "state": 96, "bidirectional": True, "pool": "concat", "convolve": 3,
    "readout": "max", "residual": True, "standardize": True, "dropout": 0.5, "drop_features": 0.2,
    "distances": True, "bones": True, "gestures": True, "frames": 32, "mirror": True,
    "learning_rate": 2e-3, "label_smoothing": 0.1, "batch_size": 32, "epochs": 120, "keep": "last",
    "validation": 0.05,
}  # fmt: skip
_VIDEOS: dict[str, Any] = {**_KEYPOINTS, "batch_size": 16, "epochs": 60}


@dataclass(frozen=True)
class ClipSettings(Settings):
    """Every setting of a training on clips."""

    ROOM = "combined"
    KINDS = ("digits", "keypoints", "videos")
    CALLED = "clips, and {data} holds clips"
    PANEL = "Clips"
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "digits": {"spatial": "gat", "epochs": 40},
        "keypoints": _KEYPOINTS,
        "videos": _VIDEOS,
    }

    compared: str = option("", "Which model of a comparison this is.", check=one_of("", *COMPARED, APART))
    spatial: str = option("gcn", "Graph layers; none: each node for itself", check=one_of(*SPATIAL))
    temporal: str = option("gru", "Recurrent layer; none: the mean of the frames", check=one_of(*CAUSAL_CELLS, "none"))
    bidirectional: bool = option(False, "Also read the frames backwards.", off="--one-way")
    pool: str = option(
        "mean", "How a frame's nodes become one; concat: the same tracks side by side; people: and these by attention",
        check=one_of("mean", "max", "attention", "concat", "people"),
    )  # fmt: skip
    recurrence: str = option(
        "frames", "Recur over pooled frames, or along each node's track and pool then", check=one_of("frames", "nodes")
    )
    convolve: int = option(
        0, "Frames that a convolution reads before the recurrent layer; 0: none.", check=(at_least(0), at_most(1001)),
        before=0,
    )  # fmt: skip
    readout: str = option("attention", "How the steps become one", check=one_of("last", "mean", "max", "attention"))
    hidden: int = option(64, "Width of the graph layers, all heads together.", check=size)
    state: int = option(64, "Width of the recurrent layer, and of the convolution.", check=size)
    layers: int = option(2, "Graph layers.", check=(at_least(1), at_most(1000)))
    heads: int = option(4, "Attention heads of each graph layer.", check=size)
    residual: bool = option(False, "Graph layers also map the node itself.", before=False)
    standardize: bool = option(False, "Bring the features to one scale.", off="--as-is", before=False)
    dropout: float = option(0.0, "Before the recurrent layer and before the head.", check=share)
    drop_features: float = option(
        0.0, "Of the features that --convolve reads, left out of a whole clip.", check=share, before=0.0
    )
    graph: str = option(
        "auto", "Videos: what the nodes of a frame are; auto: poses where people are seen, else patches",
        check=one_of(*GRAPHS), before="superpixels",
    )  # fmt: skip
    regions: int = option(48, "Videos: about so many patches or superpixels.", check=size, before=100)
    motion: bool = option(True, "Videos: regions know what moves in them.", before=False)
    height: int = option(
        0, "Videos: higher pictures are made smaller; 0: 96, and 480 for poses.",
        check=(at_least(0), at_most(10_000)), before=0,
    )  # fmt: skip
    people: int = option(2, "Videos, folders of keypoints: at most so many people are followed.", check=size, before=2)
    pose_model: str = option("", "Videos: folder or wheel of the pose model.", before="")
    skip_damaged: bool = option(False, "Videos, folders of keypoints: leave out what cannot be read.", before=False)
    third: str = option(
        "auto", "Keypoints: what a third coordinate is", check=one_of("auto", "depth", "score"), before="auto",
    )  # fmt: skip
    split_by: str = option(
        "", "Keep recordings whole: a pattern with a group for file names, or a .csv of file and recording.", before="",
    )  # fmt: skip
    folds: int = option(
        0, "Cross-validate over so many folds, of recordings where --split-by tells them.",
        check=(at_least(0), at_most(1000)), before=0,
    )  # fmt: skip
    distances: bool = option(False, "Keypoints: distances between joints as features.")
    bones: bool = option(False, "Keypoints: bones to joints, their length and direction, as features.", before=False)
    gestures: bool = option(False, "Keypoints: small steps of joints as features.", before=False)
    frames: int = option(
        0, "Keypoints, videos: moments that a clip is read at; 0: all its frames.",
        check=(at_least(0), at_most(1_000_000)), before=0,
    )  # fmt: skip
    augment: bool = option(True, "Vary clips in training, where their kind knows how to.")
    mirror: bool = option(False, "Keypoints: classify a clip and its mirror image together.", before=False)
    class_weights: str = class_weights_option()
    learning_rate: float = option(3e-3, "Peak step size.", check=positive, names="--lr", panel="Training")
    schedule: str = schedule_option("warm-cosine")
    optimizer: str = optimizer_option("adamw")
    weight_decay: float = option(1e-2, "Of the weights; in Adam an L2 penalty.", check=at_least(0), panel="Training")
    label_smoothing: float = option(0.0, "Share of the target spread over all classes.", check=share)
    clip_norm: float = option(5.0, "Largest norm of the gradient.", check=positive, panel="Training")
    batch_size: int = option(32, "Clips or windows in a batch.", check=size, panel="Training")
    epochs: int = option(30, "Passes over the training part.", check=times, names="--steps", panel="Training")
    patience: int = option(
        0, "Epochs without a better validation loss before stopping; 0: never.", check=times_or_none, panel="Training"
    )
    keep: str = option(
        "best", "Weights of the best validation loss, or of the last epoch", check=one_of("best", "last"),
        before="best",
    )  # fmt: skip
    validation: float = option(
        0.15, "Share of the training clips, of each class, to choose by; digits bring their own.",
        check=(positive, share),
    )  # fmt: skip

    def check(self) -> None:
        if self.spatial in ATTENDING and self.hidden % self.heads:
            raise ValueError(f"--hidden expects a multiple of the {self.heads} heads, got {self.hidden}")
        if self.convolve and self.convolve % 2 == 0:
            raise ValueError(f"--convolve expects an odd number of frames, or 0, got {self.convolve}")
        if self.drop_features and not self.convolve:
            raise ValueError("--drop-features is what a convolution does not see: it goes with --convolve")
        if self.folds == 1:
            raise ValueError("--folds expects at least 2, or 0 for a single split, got 1")
        if self.patience and self.keep == "last":
            raise ValueError("--patience waits for a better validation loss, but --keep last looks at none")

    @property
    def every_seed(self) -> list[int]:
        """One training for each seed; with folds for each fold, and these as often as there are seeds."""
        return list(range(self.seed, self.seed + self.seeds * max(1, self.folds)))

    @property
    def model(self) -> str:
        """What the model is called in metrics.json."""
        return self.compared or f"{self.spatial}+{self.temporal}"

    @classmethod
    def shown(cls) -> dict[str, Setting]:
        return {name: one for name, one in cls.options().items() if name != "compared"}

    @classmethod
    def of_data(cls, data: str, kind: str, typed: Mapping[str, Any]) -> Mapping[str, Any]:
        options = cls.options()
        for kinds, names in _OWN_OPTIONS.items():
            for name in names:
                idle = (options[name].default, options[name].before)  # what a config.json says of other kinds of clips
                if kind not in kinds.split(" and ") and typed.get(name) and typed[name] not in idle:
                    raise ValueError(f"--{dashed(name)} is an option for {kinds}, and {data} holds {kind}")
        preset = dict(cls.PRESETS.get(kind, {}))
        if kind == "videos" and typed.get("graph") == "superpixels":  # they are not tracked
            preset["pool"] = "attention"
        if typed.get("augment") is False:  # a model that no mirror images trained sees none
            preset.pop("mirror", None)
        if typed.get("patience"):  # it looks at the validation loss
            preset.pop("keep", None)
        if typed.get("convolve") == 0:
            preset.pop("drop_features", None)
        return preset


@dataclass(frozen=True)
class CompareSettings(ClipSettings):
    """Settings of a comparison: of the model with both networks, and of the other two as far as they have them.

    One head, so that a layer with attention has as many parameters as one without. On seeds 2 and 3 a GCN of this size
    had not learned the structure after 25 epochs (validation accuracy 0.5 and 0.7), a GAT had (0.87 and 0.96).
    """

    CALLED = "a comparison"
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "digits": {"spatial": "gat", "heads": 1, "seeds": 5, "epochs": 40},
        "keypoints": {**_KEYPOINTS, "seeds": 5, "epochs": 40},
        "videos": {**_VIDEOS, "seeds": 5, "epochs": 40},
    }
    OFFERED: ClassVar[tuple[str, ...]] = (
        "data", "preset", "seed", "seeds", "device", "checkpoint_every", "spatial", "temporal", "hidden", "dropout",
        *(name for names in _OWN_OPTIONS.values() for name in names), "augment",
        "learning_rate", "schedule", "optimizer", "weight_decay", "label_smoothing", "class_weights", "batch_size",
        "epochs", "validation",
    )  # fmt: skip

    @classmethod
    def shown(cls) -> dict[str, Setting]:
        return {name: one for name, one in cls.options().items() if name in cls.OFFERED}

    @classmethod
    def of_data(cls, data: str, kind: str, typed: Mapping[str, Any]) -> Mapping[str, Any]:
        if kind not in cls.KINDS:
            raise ValueError(
                f"combined compare expects clips (digits, a keypoint .npz, videos), and {data} is a {kind}"
            )
        for name in ("spatial", "temporal"):
            if typed.get(name) == "none":
                raise ValueError(
                    f"--{dashed(name)} none leaves nothing to compare: one of the models goes without it anyway"
                )
        return super().of_data(data, kind, typed)
