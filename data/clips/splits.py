"""Clips to train on, to choose by and to test on: whole recordings apart where they are known."""

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..holdout import hold_out
from ..text_files import read_text
from .clip import Clip


@dataclass
class ClipSplits:
    """Clips to train on, to choose by and to test on.

    Attributes:
        name: what the clips are called.
        train, validation, test: the clips, each with `y`, an index into `classes`.
        classes: the names of the classes.
        timeless: which columns of x say nothing of time, for models that may not see it; None means all.
        augment: makes a batch of varied copies of training clips, or of a slice of them, with a generator; None:
            no augmentation.
        mirror: makes a batch of the mirror images of clips; None: they have none.
        settings: what a single new clip needs to be read in the same way (for prediction).
        notes: what was guessed or left out, in sentences.
        folds: the same clips split anew for each fold of a cross-validation, this split the first of them; or empty.
        seconds: how long a clip usually lasts; 0 where that is not known.
    """

    name: str
    train: Sequence[Clip]
    validation: Sequence[Clip]
    test: Sequence[Clip]
    classes: list[str]
    timeless: Tensor | None = None
    augment: Callable[..., Clip] | None = None
    mirror: Callable[[Sequence[Clip]], Clip] | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    folds: list["ClipSplits"] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def num_features(self) -> int:
        """How many features a node has."""
        return int(self.train[0].x.size(1))

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.classes)

    def majority(self) -> float:
        """The share of the test clips that are of the class most frequent in training."""
        labels = torch.tensor([int(clip.y) for clip in self.train])
        usual = int(labels.bincount(minlength=self.num_classes).argmax())
        return sum(int(clip.y) == usual for clip in self.test) / max(1, len(self.test))


@dataclass(frozen=True)
class Split:
    """How clips are split.

    Attributes:
        test, validation: the shares of each class, or where recordings are known of these, that are held out; the
            second of what the first leaves.
        folds: so many splits, each clip in the test part of one; 0 makes one split.
        split_by: tells the recording (or the person) of a clip: a regular expression whose group is found in its file's
            name, or a .csv of file and recording.
        seed: of what is held out.
    """

    test: float = 0.2
    validation: float = 0.15
    folds: int = 0
    split_by: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 0 or self.folds == 1:
            raise ValueError(f"folds must be at least 2, or 0 for a single split, got {self.folds}")

    def of(
        self,
        splits: ClipSplits,
        clips: Sequence[Clip],
        source: str,
        groups: Sequence[str] | None = None,
        tested: Sequence[int] | None = None,
    ) -> ClipSplits:
        """`splits`, filled with the parts of `clips`; with `folds` the first of them, which holds all.

        Args:
            splits: all but the clips.
            clips: every one with `y`.
            source: where they are from, for errors.
            groups: the recording of every clip, where it is known.
            tested: which clips are the test part, where the data says so.

        Raises:
            ValueError: too few clips or recordings to hold some out.
        """
        labels = torch.tensor([int(clip.y) for clip in clips])
        if tested is not None and not self.folds:
            kept = sorted(set(range(len(clips))) - set(tested))
            parts = [(kept, list(tested))]
        elif self.folds:
            parts = self._folds(labels, groups)
        else:
            parts = [hold_out(range(len(clips)), labels, groups, self.test, self.seed)]
        made = []
        for kept, held in parts:
            training, choosing = hold_out(kept, labels, groups, self.validation, self.seed)
            if not choosing or not held:
                part = "validation" if held else "test"
                raise ValueError(
                    f"{source} has {len(kept) if held else len(clips)} clips of {len(splits.classes)} classes, too few "
                    f"to hold out a {part} part: expected at least {2 if held else 3} of a class"
                )
            chosen = [[clips[i] for i in part] for part in (training, choosing, held)]
            made.append(replace(splits, train=chosen[0], validation=chosen[1], test=chosen[2]))
        return replace(made[0], folds=made) if self.folds else made[0]

    def _folds(self, labels: Tensor, groups: Sequence[str] | None) -> list[tuple[list[int], list[int]]]:
        clips = range(len(labels))
        if groups is not None:
            names = sorted(set(groups))
            fold = [names.index(group) % self.folds for group in groups]
            if len(names) < self.folds:
                raise ValueError(f"{self.folds} folds need as many recordings, got {len(names)}: {', '.join(names)}")
        else:
            generator, fold = torch.Generator().manual_seed(self.seed), [0] * len(labels)
            for label in labels.unique().tolist():
                members = (labels == label).nonzero().flatten()
                if len(members) < self.folds:
                    raise ValueError(f"{self.folds} folds need as many clips of a class, one has {len(members)}")
                for place, i in enumerate(members[torch.randperm(len(members), generator=generator)].tolist()):
                    fold[i] = place % self.folds
        return [([i for i in clips if fold[i] != f], [i for i in clips if fold[i] == f]) for f in range(self.folds)]


def recordings(names: Sequence[str], split_by: str) -> list[str]:
    """The recording of every clip, by its file's name: see `Split.split_by`.

    Raises:
        ValueError: a pattern that is none, has no group or matches a name not, or a table that lacks one.
    """
    if split_by.lower().endswith(".csv"):
        text = read_text(Path(split_by).expanduser())[0]
        rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines()) if row]
        short = next((row for row in rows if len(row) < 2), None)
        if short is not None:
            raise ValueError(f"{split_by} must hold rows of file and recording, got {','.join(short)!r}")
        table = {Path(row[0]).name: row[1] for row in rows}
        lacking = next((name for name in names if Path(name).name not in table), None)
        if lacking is not None:
            raise ValueError(f"{split_by} has no row for {lacking}")
        return [table[Path(name).name] for name in names]
    try:
        pattern = re.compile(split_by)
    except re.error as error:
        raise ValueError(f"split_by {split_by!r} is not a regular expression: {error}") from None
    if pattern.groups != 1:
        raise ValueError(f"split_by {split_by!r} must have one group in parentheses, the recording")
    found = [pattern.search(Path(name).name) for name in names]
    if None in found:
        raise ValueError(f"split_by {split_by!r} does not match the name {names[found.index(None)]}")
    return [str(match.group(1)) for match in found if match is not None]


def shared_recording(names: Sequence[str], labels: Sequence[int]) -> str | None:
    """A warning, where names hold a word with a number ("seq01") that files of several classes share."""
    words: dict[str, set[int]] = {}
    for name, label in zip(names, labels, strict=True):
        for word in re.findall(r"[A-Za-z]+\d+", Path(name).stem):
            words.setdefault(word.lower(), set()).add(label)
    kinds: dict[str, list[str]] = {}
    for word, classes in words.items():
        if len(classes) > 1:
            kinds.setdefault(re.sub(r"\d+", "", word), []).append(word)
    for kind, found in kinds.items():
        if len(found) > 2:
            return (
                f"clips of {found[0]} (and {len(found) - 1} more like it) are of several classes: if these are "
                f"recordings or persons, keep each in one part with --split-by '({kind}[0-9]+)'"
            )
    return None
