"""Settings of `graphreel gnn train`, and the presets chosen on validation parts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from graphreel.gnn.registry import ATTENDING, LAYERS
from graphreel.training.class_weights import class_weights_option
from graphreel.training.optimizers import optimizer_option
from graphreel.training.option import (
    Check,
    at_least,
    at_most,
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

# Chosen on Cora's validation part, in the end by picking the epoch on one half of it and measuring on the other (6
# seeds, standard errors 0.2 to 0.5 points): 2 to 4 layers, hidden 16 to 256, dropout and input dropout 0.5 to 0.9,
# weight decay 0.0005 to 0.005, learning rate 0.01 to 0.03. Three layers or smaller steps do no better and take longer.
_CITATION_GCN: dict[str, Any] = {
    "hidden": 64, "dropout": 0.8, "input_dropout": 0.8, "learning_rate": 0.02, "weight_decay": 2e-3, "epochs": 300,
    "patience": 100, "monitor": "val_accuracy",
}  # fmt: skip
# Velickovic et al. 2018, who stop when neither loss nor accuracy gets better: the loss alone falls on for hundreds of
# epochs in which the accuracy does not rise, and the accuracy alone stops too early where edges and words are few. On
# Cora's validation part, measured as above, larger steps, input dropout 0.8 and a penalty on the first layer alone came
# within a standard error of it.
_CITATION_GAT: dict[str, Any] = {
    "hidden": 64, "dropout": 0.6, "input_dropout": 0.6, "learning_rate": 0.01, "decay_on": "all", "patience": 100,
    "epochs": 1000, "monitor": "both",
}  # fmt: skip
# Without dropout a GAT may learn the six labels by looking at single nodes, and then fails on the hidden ones.
_SMALL_GAT: dict[str, Any] = {"hidden": 16, "heads": 2, "dropout": 0.6, "input_dropout": 0.6, "epochs": 200}
# Sums, as a set's graphs differ in size and in how many nodes of a kind they have; normalised over the batch, because
# sums of graphs do.
_SETS: dict[str, Any] = {
    "hidden": 32, "layers": 3, "dropout": 0.3, "input_dropout": 0.0, "norm": "batch", "residual": True,
    "degrees": True, "center": True, "pool": "sum+mean+max", "jumping": True, "members": 5, "blend": True,
    "epochs": 100, "patience": 30, "decay_on": "all", "weight_decay": 1e-4, "seeds": 10,
}  # fmt: skip
_OF_SETS: dict[str, dict[str, Any]] = {"gcn": _SETS, "gat": {"heads": 4, **_SETS}}

# GRAND's training (Feng et al., 2020) of layers with a plain product each; what was tried is in docs/records.md.
_CONSISTENCY: dict[str, Any] = {
    "layers": 1, "order": 8, "drop_node": 0.5, "draws": 4, "consistency": 1.0, "sharpening": 0.5, "dropout": 0.8,
    "input_dropout": 0.8, "learning_rate": 0.02, "weight_decay": 4e-3, "decay_on": "first", "epochs": 1000,
    "patience": 100, "monitor": "both",
}  # fmt: skip
# by name and whether the model attends
_RECIPES: dict[str, dict[str, dict[str, Any]]] = {
    "consistency": {
        "gcn": {**_CONSISTENCY, "hidden": 32},
        "gat": {**_CONSISTENCY, "hidden": 32, "dropout": 0.6, "attention_dropout": 0.2, "epochs": 600, "patience": 80},
    },
}

# Of graphs that are sampled from a disk: few passes, and a process that reads ahead.
_PACKED: dict[str, Any] = {
    "hidden": 64, "dropout": 0.3, "input_dropout": 0.0, "learning_rate": 0.003, "weight_decay": 0.0, "epochs": 10,
    "workers": 1,
}  # fmt: skip

# by the kind of data and whether the model attends; citation graphs' settings serve all others
_PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "graph": {"gcn": _CITATION_GCN, "gat": _CITATION_GAT},
    "small graph": {"gcn": {}, "gat": _SMALL_GAT},
    "directed graph": {"gcn": {**_CITATION_GCN, "undirected": True}, "gat": {**_CITATION_GAT, "undirected": True}},
    "graphs": _OF_SETS,
    "packed graph": {"gcn": _PACKED, "gat": _PACKED},
}


_pools = Check("sum, mean, max, or several joined by +", lambda value: set(value.split("+")) <= {"sum", "mean", "max"})


@dataclass(frozen=True)
class GnnSettings(Settings):
    """Every setting of a training on one graph or a set of graphs.

    On graph sets seed s tests on fold s mod 10.
    """

    ROOM = "gnn"
    KINDS = tuple(_PRESETS)
    CALLED = "graphs"
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        f"{kind}, {model}": values for kind, models in _PRESETS.items() for model, values in models.items()
    }
    RECIPES: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        f"{name}, {model}": values for name, models in _RECIPES.items() for model, values in models.items()
    }

    model: str = option("gcn", "Graph convolution", check=one_of(*LAYERS))
    recipe: str = option("", "Settings that were chosen together", check=one_of("", *_RECIPES), before="")
    hidden: int = option(16, "Width of the hidden layers, all heads together.", check=size)
    layers: int = option(2, "Number of graph convolutions.", check=(at_least(1), at_most(1000)))
    heads: int = option(8, "Attention heads of the hidden layers, side by side.", check=size)
    output_heads: int = option(1, "Attention heads of the last layer, averaged.", check=size)
    dropout: float = option(0.5, "Between layers and on attention.", check=share)
    input_dropout: float = option(0.5, "On the features.", check=share)
    attention_dropout: float | None = option(
        None, "On attention; left out, that between layers.", check=share, before=None
    )
    order: int = option(
        0, "Longest paths over which a first layer of its own takes the mean of its input; 0: there is none.",
        check=(at_least(0), at_most(1000)), before=0,
    )  # fmt: skip
    drop_node: float = option(0.0, "Nodes whose features that layer drops.", check=share, before=0.0)
    residual: bool = option(False, "Add each layer's input to its output.")
    norm: str = option("none", "After every hidden layer", check=one_of("none", "batch", "layer"))
    task: str = option(
        "", "What is learned; left out, classes of nodes or graphs, as the data are",
        check=one_of("", "node", "graph", "link", "regression"), before="",
    )  # fmt: skip
    decoder: str = option("dot", "Of --task link: what joins two nodes", check=one_of("dot", "mlp"), before="dot")
    degrees: bool = option(
        False,
        "Give every node its degree, and the sums of its edges' features where the layer reads none.",
        before=False,
    )
    center: bool = option(False, "Weights for the node itself; gcn then adds its neighbours up, as GIN.", before=False)
    pool: str = option(
        "sum", "Of the nodes of a graph: sum, mean, max, or several as sum+max.", check=_pools, before="sum"
    )
    jumping: bool = option(False, "Pool what every layer yields, not the last alone.", before=False)
    virtual_node: bool = option(False, "Join all nodes of a graph by one more.", before=False)
    members: int = option(
        1, "Networks a fold of a set of graphs, each of which holds out another part.",
        check=(at_least(1), at_most(100)), before=1,
    )  # fmt: skip
    blend: bool = option(
        False, "Weigh a set's networks with a forest and a linear model on counts, by what is held out.", before=False
    )
    undirected: bool = option(False, "Add the reverse of every edge.", off="--directed")
    epochs: int = option(
        200, "Passes over the training part; without --neighbors one is one step.", check=times,
        names="--steps", panel="Training",
    )  # fmt: skip
    draws: int = option(
        1, "Times that nodes are dropped anew in a step.", check=(at_least(1), at_most(1000)), panel="Training",
        before=1,
    )  # fmt: skip
    consistency: float = option(
        0.0, "Weight of the distance of the draws' answers from their sharpened mean.", check=at_least(0),
        panel="Training", before=0.0,
    )  # fmt: skip
    sharpening: float = option(
        0.5, "Temperature of that mean; 1 leaves it as it is.", check=positive, panel="Training", before=0.5
    )  # fmt: skip
    class_weights: str = class_weights_option()
    learning_rate: float = option(0.01, "Peak step size.", check=positive, names="--lr", panel="Training")
    schedule: str = schedule_option("constant")
    optimizer: str = optimizer_option("adam")
    weight_decay: float = option(5e-4, "Of the weights; in Adam an L2 penalty.", check=at_least(0), panel="Training")
    decay_on: str = option("first", "Layers under the penalty", check=one_of("first", "all"), panel="Training")
    label_smoothing: float = option(0.0, "Share of the target spread over all classes.", check=share, panel="Training")
    monitor: str = option(
        "val_loss",
        "What chooses the weights; the loss breaks ties. With both the accuracy does, and patience is for either",
        check=one_of("val_loss", "val_accuracy", "both"), panel="Training",
    )  # fmt: skip
    patience: int = option(
        0, "Epochs without improvement before stopping; 0: never.", check=times_or_none, panel="Training"
    )
    neighbors: str = option("", "Sample this many neighbours per layer, as 15,10; -1: all.", panel="Training")
    hot: float = option(
        0.1, "Of a graph in parts, under torchrun: share of its nodes, most used first, kept of others.",
        check=share, panel="Training", before=0.1,
    )  # fmt: skip
    batch_size: int = option(1024, "Seed nodes of a sampled batch.", check=size, panel="Training")
    workers: int = option(
        0, "Processes that sample batches ahead; they share the graph.", check=(at_least(0), at_most(1000)),
        panel="Training", before=0,
    )  # fmt: skip

    def check(self) -> None:
        if self.consistency and self.draws < 2:
            raise ValueError(f"--consistency expects --draws of at least 2, got {self.draws}")
        if self.model in ATTENDING and self.layers > 1 and self.hidden % self.heads:
            raise ValueError(f"--hidden expects a multiple of the {self.heads} heads, got {self.hidden}")
        if len(self.fan_out) not in (0, self.layers):
            raise ValueError(f"--neighbors expects one number per layer ({self.layers}), got {self.neighbors!r}")

    @property
    def has_stem(self) -> bool:
        """Whether a layer that mixes orders and drops nodes stands before the others."""
        return self.order > 0 or self.drop_node > 0 or self.draws > 1

    @property
    def fan_out(self) -> list[int]:
        """`neighbors` as numbers; -1 takes all of a node's neighbours."""
        try:
            numbers = [int(part) for part in self.neighbors.split(",")] if self.neighbors else []
        except ValueError:
            numbers = [0]
        if any(number == 0 or number < -1 for number in numbers):
            raise ValueError(f"--neighbors expects numbers such as 15,10 (-1 takes all), got {self.neighbors!r}")
        return numbers

    @classmethod
    def of_data(cls, data: str, kind: str, typed: Mapping[str, Any]) -> Mapping[str, Any]:
        if kind == "packed graph" and not typed.get("neighbors"):  # it is read into memory
            kind = "graph"
        model, recipe = "gat" if typed.get("model") in ATTENDING else "gcn", typed.get("recipe") or ""
        if recipe and kind == "graphs":
            raise ValueError(f"--recipe {recipe} expects one graph, whose nodes are learned, got the set {data}")
        return {**_PRESETS.get(kind, _PRESETS["graph"])[model], **_RECIPES.get(recipe, {}).get(model, {})}
