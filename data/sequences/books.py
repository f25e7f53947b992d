"""Any text file as a corpus of characters: cleaned, split, numbered; and an English text that comes with Python."""

import ast
import bz2
import importlib.util
import lzma
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from math import log2
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..text_files import json_lines, read_text

HELD_OUT = 0.05  # of the text, at its end
VALIDATION = 0.02  # of the text, before the held-out part
SHORTEST = 100  # characters: below, the parts at the end hold next to nothing

_STARTS = (
    r"^[ \t]*\*{3} ?START OF TH(?:E|IS) PROJECT GUTENBERG.*?\*{3}[^\n]*$",
    r"^[ \t]*\*END[ *]*THE SMALL PRINT!.*?\*END\*[^\n]*$",  # before 2003
)
_ENDS = (
    r"^[ \t]*\*{3} ?END OF TH(?:E|IS) PROJECT GUTENBERG",
    r"^[ \t]*(?:This is the )?End of (?:The |This )?Project Gutenberg",
)


def strip_gutenberg(text: str) -> str:
    """The bodies of a text from Project Gutenberg, without headers and footers (licence and all); others stay as is.

    A header ends with the line `*** START OF THE PROJECT GUTENBERG EBOOK ... ***` or, in old files, with the "small
    print"; a footer starts with `End of Project Gutenberg's ...` or `*** END OF THE PROJECT GUTENBERG EBOOK`, and goes
    on to the next header's end where a file holds several books.
    """
    bodies = _bodies(text)
    return bodies[0] if len(bodies) == 1 else "\n\n".join(body.strip() for body in bodies)


def _bodies(text: str) -> list[str]:
    flags = re.MULTILINE | re.IGNORECASE
    starts = next((found for p in _STARTS if (found := list(re.finditer(p, text, flags | re.DOTALL)))), [])
    marks: list[tuple[int, int | None]] = [(match.start(), match.end()) for match in starts]
    marks += [(match.start(), None) for pattern in _ENDS for match in re.finditer(pattern, text, flags)]
    bodies: list[str] = []
    begin: int | None = 0
    for start, end in sorted(marks, key=lambda mark: mark[0]):
        if begin is not None and (end is None or (begin and text[begin:start].strip())):
            bodies.append(text[begin:start])
        begin = end
    if begin is not None:
        bodies.append(text[begin:])
    return bodies


@dataclass(frozen=True)
class Book:
    """A text as character numbers, in three parts one after the other: 93 % training, 2 % validation, 5 % held out.

    The held-out part is for the figure that is reported; settings are chosen on the validation part.

    Attributes:
        name: where the text is from.
        text: all of it, cleaned.
        notes: what was found out about its file, in sentences.
    """

    name: str
    text: str
    notes: list[str] = field(default_factory=list, compare=False)

    def __post_init__(self) -> None:
        if not self.text:
            raise ValueError(f"{self.name} holds no text")
        if len(self.vocabulary) < 2:
            raise ValueError(f"{self.name} holds one symbol only, {self.vocabulary[0]!r}: there is nothing to predict")
        if len(self.text) < SHORTEST:
            raise ValueError(f"{self.name} holds {len(self.text)} characters, expected at least {SHORTEST}")

    @cached_property
    def vocabulary(self) -> list[str]:
        """Every character of the text in code point order; a character's place in it is its number."""
        return sorted(set(self.text))

    @cached_property
    def tokens(self) -> Tensor:
        """The whole text as numbers [characters]."""
        points = np.array([self.text]).view(np.uint32)  # numpy stores text as code points
        known = np.array([ord(character) for character in self.vocabulary], dtype=np.uint32)
        return torch.from_numpy(np.searchsorted(known, points))

    @cached_property
    def _parts(self) -> tuple[Tensor, ...]:
        held_out, validation = int(len(self.text) * HELD_OUT), int(len(self.text) * VALIDATION)
        return self.tokens.split([len(self.text) - held_out - validation, validation, held_out])

    @property
    def train(self) -> Tensor:
        """Numbers of the training part."""
        return self._parts[0]

    @property
    def validation(self) -> Tensor:
        """Numbers of the validation part: what comes before the held-out part."""
        return self._parts[1]

    @property
    def held_out(self) -> Tensor:
        """Numbers of the held-out part: the last 5 % of the text."""
        return self._parts[2]

    def opening(self) -> str:
        """Three words, or ten characters where there are no blanks, that begin a paragraph of the held-out part."""
        held_out = self.text[-len(self.held_out) :]
        paragraphs = [part.strip() for part in re.split(r"\n\s*\n", held_out)[1:]] + held_out.split("\n")[1:]
        first = next((part for part in paragraphs if len(part.split()) > 3), held_out.strip() or held_out)
        words = first.split()
        return " ".join(words[:3]) if len(words) > 3 else first[:10]

    def baselines(self) -> dict[str, float]:
        """Bits per character of the whole text: entropy of its letters (unigram), and compressed by bz2 and by xz."""
        size = len(self.text)
        raw = self.text.encode()
        return {
            "unigram": -sum(count / size * log2(count / size) for count in Counter(self.text).values()),
            "bz2": 8 * len(bz2.compress(raw)) / size,
            "xz": 8 * len(lzma.compress(raw)) / size,
        }


def load_book(path: str | os.PathLike[str], encoding: str | None = None) -> Book:
    """Read a text as a `Book`: Gutenberg's headers and footers, byte order marks and foreign newlines removed.

    Args:
        path: a file of any name; JSON lines with a `text`; or a folder, whose texts follow one another by name.
        encoding: UTF-8 by default, or what `read_text` finds out, which `notes` say.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is empty, shorter than 100 characters, of one symbol only, or no text at all.
    """
    path = Path(path)
    if path.is_dir():
        return _load_folder(path, encoding)
    text, notes = read_text(path, encoding)
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        texts = [str(one) for one in json_lines(text, path.name).get("text", [])]
        notes.append(f"{path.name}: one text is made of {len(texts)}")
        text = "\n\n".join(texts)
    bodies = _bodies(text)
    if len(bodies) > 1:
        notes.append(f"{path.name} holds {len(bodies)} books of Project Gutenberg: one text is made of them")
    return Book(path.name, strip_gutenberg(text).strip(), notes)


def _load_folder(path: Path, encoding: str | None) -> Book:
    texts, notes, skipped = [], [], 0
    for file in sorted(one for one in path.rglob("*") if one.is_file()):
        if any(part.startswith(".") for part in file.relative_to(path).parts):
            continue
        try:
            text, told = read_text(file, encoding)
        except ValueError:
            skipped += 1
            continue
        notes += told
        texts.append(strip_gutenberg(text).strip())
    left_out = f", {skipped} that are no texts left out" if skipped else ""
    notes.append(f"{path.name}: one text is made of {len(texts)} files{left_out}")
    return Book(path.name, "\n\n".join(texts), notes)


def load_embedded_book() -> Book:
    """The English text that comes with every Python: the language reference in `pydoc_data/topics.py`.

    It is what `help("assert")` prints, some 79 chapters and 465 000 characters in Python 3.11; other versions have
    slightly other text. The file is parsed, not run.

    Raises:
        FileNotFoundError: this Python was installed without its documentation data.
    """
    package = importlib.util.find_spec("pydoc_data")
    path = Path(package.origin).with_name("topics.py") if package and package.origin else None
    if path is None or not path.is_file():
        raise FileNotFoundError("this Python comes without pydoc_data/topics.py: give the path of a .txt file instead")
    for statement in ast.parse(path.read_bytes()).body:
        if isinstance(statement, ast.Assign):
            chapters = ast.literal_eval(statement.value)
            return Book("python-topics", "\n\n".join(chapters[name].strip() for name in sorted(chapters)))
    raise FileNotFoundError(f"{path} holds no topics: give the path of a .txt file instead")
