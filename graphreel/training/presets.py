"""`--preset`: settings of a data set under a name, each with the sentence that says where they are from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NAMES = ("paper", "fast", "best")
_CITATIONS = ("cora", "citeseer", "pubmed")


@dataclass(frozen=True)
class Preset:
    """Settings of a data set that were chosen together.

    Attributes:
        name: one of `NAMES`: those of a paper (or of the report), those for a first look, the best that are known.
        on: what they are for: data sets and files by name (without its ending), or kinds of data.
        source: where they are from.
        values: the settings that differ from what the data set's training does without a preset.
        model: of which models they are, where that matters.
    """

    name: str
    on: tuple[str, ...]
    source: str
    values: Mapping[str, Any] = field(default_factory=dict)
    model: tuple[str, ...] = ()


# the first that fits is taken: data sets by name before kinds of data
PRESETS = (
    Preset(
        "paper", _CITATIONS, "Kipf and Welling, Semi-Supervised Classification with GCNs, 2017, section 5.2",
        {
            "hidden": 16, "dropout": 0.5, "input_dropout": 0.5, "learning_rate": 0.01, "weight_decay": 5e-4,
            "decay_on": "first", "epochs": 200, "patience": 10, "monitor": "val_loss",
        }, ("gcn",),
    ),
    Preset(
        "paper", ("pubmed",), "Veličković et al., Graph Attention Networks, 2018, section 3.3: Pubmed's own",
        {"output_heads": 8, "learning_rate": 0.01, "weight_decay": 1e-3}, ("gat", "gatv2"),
    ),
    Preset(
        "paper", ("cora", "citeseer"), "Veličković et al., Graph Attention Networks, 2018, section 3.3",
        {"learning_rate": 0.005}, ("gat", "gatv2"),
    ),
    Preset(
        "best", ("cora",), "the training of GRAND, Feng et al., 2020, for plain layers",
        {"recipe": "consistency"}, ("gcn",),
    ),
    Preset("best", ("cora", "citeseer", "pubmed"), "as without a preset: searched on Cora's validation part"),
    Preset(
        "paper", ("mutag",), "Xu et al., How Powerful are Graph Neural Networks?, 2019, section 7: sums",
        {
            "layers": 5, "hidden": 32, "dropout": 0.5, "norm": "batch", "center": True, "pool": "sum",
            "residual": False, "degrees": False, "jumping": True, "members": 1, "blend": False, "learning_rate": 0.01,
            "weight_decay": 0.0, "epochs": 350, "patience": 0,
        }, ("gcn",),
    ),
    Preset("best", ("graphs",), "as without a preset: networks, forest and linear model, weighed by what is held out"),
    Preset("best", ("small graph",), "as without a preset: without dropout a GAT looks at single nodes"),
    Preset("best", ("directed graph",), "as without a preset: those of Cora, with the reverse of every edge"),
    Preset(
        "fast", ("graphs",), "one network a fold, no blend, three folds",
        {"members": 1, "blend": False, "seeds": 3},
    ),
    Preset("fast", ("graph", "small graph", "directed graph"), "at most 50 epochs", {"epochs": 50, "patience": 20}),
    Preset("paper", ("task",), "the report: the forget gate begins half open", {"forget_bias": None}),
    Preset("best", ("palindrome",), "as without a preset: the report's, but the forget gate begins open"),
    Preset("best", ("task",), "as without a preset: those with which the tasks of the report are solved"),
    Preset(
        "fast", ("task",), "the report's quick answers: 64 units, larger steps",
        {"hidden": 64, "learning_rate": 1e-3, "steps": 1500},
    ),
    Preset("fast", ("sequences",), "a quarter of the steps", {"steps": 500}),
    Preset(
        "paper", ("text",), "the report: 336,000 steps of a plain LSTM",
        {
            "steps": 336_000, "hidden": 128, "batch_size": 64, "learning_rate": 2e-3, "dropout": 0.0, "averaging": 0.0,
            "skip": False, "carried": False, "forget_bias": 0.0, "evaluate_every": 2000,
        },
    ),
    Preset("best", ("text",), "as without a preset: chosen on the validation part of Grimm's tales, 100 s a trial"),
    Preset("fast", ("text",), "3,000 steps", {"steps": 3000, "evaluate_every": 500}),
    Preset("best", ("digits",), "as without a preset: in 25 epochs a GAT learns their structure, a GCN does not"),
    Preset("best", ("keypoints", "videos"), "as without a preset: chosen in trainings on JHMDB and on footage"),
    Preset("fast", ("digits", "keypoints", "videos"), "ten epochs", {"epochs": 10}),
    Preset(
        "paper", ("chickenpox",), "the recurrent example of PyTorch Geometric Temporal, Rozemberczki et al., 2021",
        {
            "lags": 4, "horizon": 1, "hidden": 32, "dropout": 0.0, "learning_rate": 0.01, "optimizer": "adam",
            "schedule": "constant", "weight_decay": 0.0, "epochs": 200, "skip": False, "gate": False,
        },
    ),
    Preset("best", ("chickenpox",), "the state goes through the whole past", {"memory": "carried"}),
    Preset("best", ("series",), "as without a preset: chosen on the validation part of los-loop"),
    Preset("fast", ("series",), "two epochs, edges not weighed against none", {"epochs": 2, "compare_edges": False}),
)  # fmt: skip


def preset_values(name: str, data: str, kind: str, model: str) -> Mapping[str, Any]:
    """The settings of a preset for a data set.

    Raises:
        ValueError: the data set has none of that name.
    """
    called = {data, Path(data).stem.lower(), kind}
    fitting = [one for one in PRESETS if called & set(one.on) and model in (one.model or (model,))]
    found = next((one for one in fitting if one.name == name), None)
    if found is None:
        known = dict.fromkeys(one.name for one in fitting)
        raise ValueError(f"--preset expects {' or '.join(known)} for {data}{f' and {model}' * bool(model)}, got {name}")
    return found.values


def preset_table() -> str:
    """All presets as a table in Markdown."""
    rows = ["| data | preset | differs from what stands without a preset | from |", "|---|---|---|---|"]
    for one in PRESETS:
        on = ", ".join(one.on) + (f" with {' or '.join(one.model)}" if one.model else "")
        values = ", ".join(f"`{name}` {'none' if value is None else value}" for name, value in one.values.items())
        rows.append(f"| {on} | `{one.name}` | {values or 'nothing'} | {one.source} |")
    return "\n".join(rows)
