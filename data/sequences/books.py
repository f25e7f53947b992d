"""Any text file as a corpus of characters: cleaned, split, numbered; and an English text that comes with Python."""

import ast
import bz2
import importlib.util
import lzma
import os
import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from math import log2
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

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
    """Cut Project Gutenberg's header and footer (licence and all) off a text; any other text stays as it is.

    The header ends with the line `*** START OF THE PROJECT GUTENBERG EBOOK ... ***` or, in old files, with the "small
    print"; the footer starts with `End of Project Gutenberg's ...` or `*** END OF THE PROJECT GUTENBERG EBOOK`.
    """
    for pattern in _STARTS:
        match = re.search(pattern, text, re.MULTILINE | re.DOTALL | re.IGNORECASE)
        if match:
            text = text[match.end() :]
            break
    ends = [re.search(pattern, text, re.MULTILINE | re.IGNORECASE) for pattern in _ENDS]
    cuts = [match.start() for match in ends if match]
    return text[: min(cuts)] if cuts else text


def read_text(path: str | os.PathLike[str]) -> str:
    """Read UTF-8, UTF-16 (by its byte order mark) or, failing that, Windows-1252; newlines become "\\n", marks vanish.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file holds zero bytes, so it is no text.
    """
    raw = Path(path).read_bytes()
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = raw.decode("utf-16", errors="replace")
    else:
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("cp1252", errors="replace")
    if "\0" in text:
        raise ValueError(f"{path} is not a text file: it holds zero bytes")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "")


@dataclass(frozen=True)
class Book:
    """A text as character numbers, in three parts one after the other: 93 % training, 2 % validation, 5 % held out.

    The held-out part is for the figure that is reported; settings are chosen on the validation part.

    Attributes:
        name: where the text is from.
        text: all of it, cleaned.
    """

    name: str
    text: str

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

    def baselines(self) -> dict[str, float]:
        """Bits per character of the whole text: entropy of its letters (unigram), and compressed by bz2 and by xz."""
        size = len(self.text)
        raw = self.text.encode()
        return {
            "unigram": -sum(count / size * log2(count / size) for count in Counter(self.text).values()),
            "bz2": 8 * len(bz2.compress(raw)) / size,
            "xz": 8 * len(lzma.compress(raw)) / size,
        }


def load_book(path: str | os.PathLike[str]) -> Book:
    """Read a text file as a `Book`: Gutenberg's header and footer, byte order marks and foreign newlines removed.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is empty, shorter than 100 characters, of one symbol only, or no text at all.
    """
    return Book(Path(path).name, strip_gutenberg(read_text(path)).strip())


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
