"""Read samples.txt, which a training on a text leaves: what the model wrote at each third, with its measures."""

import re
from dataclasses import dataclass
from pathlib import Path

_TITLE = re.compile(r"^step (\d+), (\d)/3 of training$")
_GROUP = re.compile(
    r"^(?:(?P<mode>.+), length (?P<length>\d+)|\"(?P<prompt>.+)\" completed, .+?): (?P<measures>real words .+)$"
)
_MEASURE = re.compile(r"([a-z0-9][a-z0-9 -]*?) (\d+(?:\.\d+)?)(?:, |$)")


@dataclass(frozen=True)
class Group:
    """Texts that were written in one way.

    Attributes:
        third: of the training, 1 to 3.
        mode: greedy or a temperature; "" where a prompt was completed.
        length: characters; 0 where a prompt was completed.
        measures: of these texts, by name.
        texts: as they stand in the file, a newline as ⏎.
    """

    third: int
    mode: str
    length: int
    measures: dict[str, float]
    texts: list[str]


def read_samples(path: Path) -> list[Group]:
    """The groups of a samples.txt, in its order.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it holds none.
    """
    groups: list[Group] = []
    third = 0
    for line in path.read_text(encoding="utf-8").split("\n"):
        if title := _TITLE.match(line):
            third = int(title[2])
        elif line.startswith("    ") and groups:
            groups[-1].texts.append(line[4:])
        elif found := _GROUP.match(line):
            measures = {name: float(value) for name, value in _MEASURE.findall(found["measures"])}
            groups.append(Group(third, found["mode"] or "", int(found["length"] or 0), measures, []))
    if not groups:
        raise ValueError(f"{path} holds no samples")
    return groups


def visible(text: str) -> str:
    """The text with a mark for every blank that a reader would not see."""
    return re.sub(r" {2,}|^ | $", lambda blanks: "␣" * len(blanks[0]), text)
