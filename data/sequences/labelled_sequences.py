"""Labelled sequences as numbers, in three parts: what a classifier trains on."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..holdout import hold_out
from ..tables import PARTS
from .sequence_cells import READS
from .sequence_files import Columns, RawSequences, read_sequences

PADDING, UNKNOWN, FIRST = 0, 1, 2  # numbers of what stands beyond an end, of what training lacks, of the first symbol
HELD_OUT = 0.15  # of each class, for the test part, and as much for validation
LONGEST = 1000  # steps
_MOST = 20_000  # symbols
_RARE = 2000  # different words, from which those that come once count as unknown


@dataclass(frozen=True)
class SequenceReader:
    """What turns a file's sequences into tensors as in training: symbols numbered, or numbers scaled.

    Attributes:
        read: one of `READS`.
        columns: of a table, as `Columns`.
        vocabulary: the symbols; that at place k is number k + 2, 0 is padding and 1 an unknown one. Empty for numbers.
        mean, deviation: of each feature over the training part. Empty for symbols.
        longest: steps; of a longer sequence only so many at its start are read.
        encoding: of a text; "" is found out.
    """

    read: str
    columns: dict[str, str] = field(default_factory=dict)
    vocabulary: list[str] = field(default_factory=list)
    mean: list[float] = field(default_factory=list)
    deviation: list[float] = field(default_factory=list)
    longest: int = LONGEST
    encoding: str = ""

    @property
    def width(self) -> int:
        """The number of tokens, or of features."""
        return FIRST + len(self.vocabulary) if self.read != "numbers" else len(self.mean)

    def raw(self, path: Path) -> RawSequences:
        """The sequences of another file in the same form.

        Raises:
            ValueError: it is in another one.
        """
        columns = {**self.columns, "split": "", "group": ""}
        if Path(path).suffix.lower() in (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson"):
            return read_sequences(path, Columns(**columns), self.read, self.encoding or None)
        return read_sequences(path, Columns(), self.read, self.encoding or None)

    def tensors(self, raw: RawSequences) -> list[Tensor]:
        """Tokens [steps], or numbers [steps, features] with 0, the mean, for what is missing; no sequence is empty.

        Raises:
            ValueError: another number of features than in training.
        """
        if self.read != "numbers":
            numbers = {symbol: place for place, symbol in enumerate(self.vocabulary, start=FIRST)}
            items = [item[: self.longest] or [""] for item in raw.items]
            return [torch.tensor([numbers.get(symbol, UNKNOWN) for symbol in item]) for item in items]
        found = []
        for name, item in zip(raw.names, raw.items, strict=True):
            if len(item) and item.shape[1] != self.width:
                told = f"sequence {name} of {raw.name} has {item.shape[1]} values a step"
                raise ValueError(f"{told}, but the training's had {self.width}")
            item = item[: self.longest] if len(item) else np.full((1, self.width), np.nan)
            scaled = (item - np.array(self.mean)) / np.array(self.deviation)
            found.append(torch.from_numpy(np.nan_to_num(scaled)).float())
        return found

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class LabelledSequences:
    """Sequences with a class each.

    Attributes:
        name: of the file.
        reader: what read them.
        items: see `SequenceReader.tensors`.
        y: classes [N].
        classes: their names.
        parts: "train", "val" and "test": places [.] of the sequences.
        notes: what was found out, in sentences.
    """

    name: str
    reader: SequenceReader
    items: list[Tensor]
    y: Tensor
    classes: list[str]
    parts: dict[str, Tensor]
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.items)


def load_labelled(
    path: Path,
    sequence: str = "",
    label: str = "",
    split: str = "",
    group: str = "",
    id: str = "",
    order: str = "",
    read: str = "",
    longest: int = LONGEST,
    encoding: str | None = None,
) -> LabelledSequences:
    """Read labelled sequences; parts that the file does not name are drawn by class, with groups kept whole.

    Args:
        path: a .csv, .tsv, .parquet, .jsonl or .npz, or a folder with one folder of texts per class.
        sequence, label, split, group, id, order: names of columns; "" is found out.
        read: characters, words, tokens or numbers; "" is found out.
        longest: steps that are read of a sequence.

    Raises:
        ValueError: no sequences, no labels, one class only, or too few of a class.
    """
    if read and read not in READS:
        raise ValueError(f"read expects one of {', '.join(READS)}, got {read!r}")
    columns = Columns(sequence, label, split, group, id, order)
    raw = read_sequences(Path(path), columns, read, encoding)
    if raw.labels is None:
        expected = f"one called {label}" if label else "one called label or class, or --label NAME"
        raise ValueError(f"{raw.name} has no column of labels: expected {expected}")
    kept = [place for place, one in enumerate(raw.labels) if one]
    notes = list(raw.notes)
    if len(kept) < len(raw.items):
        notes.append(f"{raw.name}: {len(raw.items) - len(kept)} sequences without a label are left out")
        raw = _only(raw, kept)
    assert raw.labels is not None
    classes = sorted(set(raw.labels), key=lambda one: (not _whole(one), int(one) if _whole(one) else 0, one))
    if len(classes) < 2 or len(classes) > max(2, len(raw.items) // 2):
        labels = f"{len(classes)} different labels for {len(raw.items)} sequences"
        raise ValueError(f"{raw.name} has {labels}: expected classes")
    y = torch.tensor([classes.index(one) for one in raw.labels])
    parts, told = _parts(raw, y)
    long = sum(len(item) > longest for item in raw.items)
    if long:
        notes.append(f"{raw.name}: of {long} sequences the first {longest} steps are read (--longest)")
    reader = _fitted(raw, parts["train"].tolist(), longest, encoding or "")
    if raw.read == "numbers":
        missing = sum(int(np.isnan(item).sum()) for item in raw.items)
        notes += [f"{raw.name}: {missing} missing values are read as their feature's mean"] if missing else []
    return LabelledSequences(raw.name, reader, reader.tensors(raw), y, classes, parts, [*notes, *told])


def _whole(label: str) -> bool:
    return label.lstrip("-").isdecimal()


def _only(raw: RawSequences, kept: Sequence[int]) -> RawSequences:
    told = {name: getattr(raw, name) for name in ("items", "labels", "split", "groups", "names")}
    chosen: dict[str, Any] = {
        name: [values[place] for place in kept] for name, values in told.items() if values is not None
    }
    return replace(raw, **chosen)


def _parts(raw: RawSequences, y: Tensor) -> tuple[dict[str, Tensor], list[str]]:
    """The parts that the file names; those that it lacks are cut from its training part."""
    named = raw.split if raw.split is not None else ["train"] * len(y)
    wrong = next((one for one in named if one.lower() not in PARTS), None)
    if wrong is not None:
        raise ValueError(f"{raw.name} puts a sequence into the part {wrong!r}, expected train, val or test")
    given = [PARTS[one.lower()] for one in named]
    parts = {part: [place for place, one in enumerate(given) if one == part] for part in ("train", "val", "test")}
    made = [part for part in ("test", "val") if not parts[part]]
    for part in made:
        parts["train"], parts[part] = hold_out(parts["train"], y, raw.groups, HELD_OUT, 0)
    empty = next((part for part, places in parts.items() if not places), None)
    if empty is not None:
        raise ValueError(f"{raw.name} has {len(y)} sequences, too few for a {empty} part: expected 3 of a class")
    lacking = set(y.tolist()) - set(y[parts["train"]].tolist())
    if lacking:
        raise ValueError(f"{raw.name} has no training sequence of {len(lacking)} of its classes")
    how = "by class" if raw.groups is None else "by whole groups"
    notes = [f"{raw.name}: {' and '.join(made)} part{'s' * (len(made) > 1)} drawn {how}, 15 % each"] if made else []
    return {part: torch.tensor(places) for part, places in parts.items()}, notes


def _fitted(raw: RawSequences, train: Sequence[int], longest: int, encoding: str) -> SequenceReader:
    """What the training part tells: its symbols, or the mean and deviation of each feature."""
    said: Mapping[str, Any] = {
        "read": raw.read,
        "columns": asdict(raw.columns),
        "longest": longest,
        "encoding": encoding,
    }
    if raw.read != "numbers":
        counts = Counter(symbol for place in train for symbol in raw.items[place][:longest])
        least = 2 if raw.read == "words" and len(counts) > _RARE else 1
        kept = [symbol for symbol, count in counts.most_common(_MOST) if count >= least]
        return SequenceReader(**said, vocabulary=sorted(kept))
    filled = [raw.items[place][:longest] for place in train if len(raw.items[place])]
    widths = {item.shape[1] for item in filled}
    if len(widths) != 1:
        told = " and ".join(map(str, sorted(widths)))
        raise ValueError(f"{raw.name} has sequences of {told} values a step: expected as many in all")
    steps = np.concatenate(filled)
    there = np.maximum(1, (~np.isnan(steps)).sum(0))
    mean = np.nansum(steps, axis=0) / there
    deviation = np.sqrt(np.nansum((steps - mean) ** 2, axis=0) / there)
    return SequenceReader(**said, mean=mean.tolist(), deviation=np.where(deviation > 1e-12, deviation, 1.0).tolist())
