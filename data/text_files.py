"""The text of a file: UTF-8 unless it is told or found otherwise, with the place of every doubt."""

import gzip
import importlib.util
import json
import os
import zlib
from pathlib import Path
from typing import Any

_REPLACED = "�"
_MIB = 2**20
_COMMON = ("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257")  # the usual ones first
_LARGE, _DENSE = 256 * _MIB, 100  # bytes, and their ratio to the compressed file, from which it is taken for a trap


def read_text(path: str | os.PathLike[str], encoding: str | None = None) -> tuple[str, list[str]]:
    """The text of a file, and what was decided about its encoding, in sentences.

    Without `encoding` it is UTF-8, or UTF-16 where it has that byte order mark. A few bytes that are no UTF-8 among
    letters that are become U+FFFD; a text that is none is read as charset-normalizer takes it. Newlines become "\\n".

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no text, not in the encoding that is given, or in one that nothing here knows.
    """
    path = Path(path)
    raw = read_bytes(path)
    text, notes = _decode(raw, path.name, encoding)
    if "\0" in text:
        raise ValueError(f"{path.name} is not a text file: it holds zero bytes")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", ""), notes


def read_bytes(path: Path) -> bytes:
    """What is in a file, a .gz unpacked.

    Raises:
        ValueError: a damaged .gz, or one of some megabytes that would unpack to hundreds of times as many.
    """
    if path.suffix.lower() != ".gz":
        return path.read_bytes()
    most = max(_LARGE, _DENSE * path.stat().st_size)
    try:
        with gzip.open(path) as file:
            raw = file.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path.name} is no readable .gz: {error}") from None
    if len(raw) > most:
        raise ValueError(f"{path.name} unpacks to more than {most // _MIB} MB: expected a file of text")
    return raw


def json_lines(text: str, name: str) -> dict[str, list[Any]]:
    """The values of JSON objects, one a line, by key; "" where one lacks it.

    Raises:
        ValueError: a line is none.
    """
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise ValueError(f"line {number} of {name} expects a JSON object, got {line[:40]!r}")
        rows.append(row)
    return {key: [row.get(key, "") for row in rows] for key in dict.fromkeys(key for row in rows for key in row)}


def _decode(raw: bytes, name: str, encoding: str | None) -> tuple[str, list[str]]:
    marked = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    try:
        return raw.decode(encoding or marked), []
    except LookupError:
        raise ValueError(f"encoding expects the name of one, such as utf-8 or cp1252, got {encoding!r}") from None
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        place = f"byte 0x{raw[error.start]:02x} at {error.start} (line {line})"
        if encoding or marked == "utf-16":
            raise ValueError(f"{name} is not {encoding or marked}: {place} cannot be read as it") from None
    text = raw.decode(errors="replace")
    bad = text.count(_REPLACED)
    if sum(not character.isascii() for character in text) >= 2 * bad and "\0" not in text:
        more = f" and {bad - 1} more are" if bad > 1 else " is"
        return text, [f"{name}: {place}{more} no UTF-8 and read as U+FFFD (--encoding reads the file as another)"]
    likely = _likely(raw)
    if not likely:
        hint = "" if _has_detector() else ", or install charset-normalizer"
        raise ValueError(f"{name} is not UTF-8, {place} is none: give --encoding, such as cp1252{hint}")
    others = f", and {', '.join(likely[1:4])} are as likely (--encoding)" if len(likely) > 1 else ""
    try:
        text = raw.decode(likely[0])
    except UnicodeDecodeError:
        raise ValueError(f"{name} is in no encoding that is known, {place} is no UTF-8: give --encoding") from None
    return text, [f"{name} is no UTF-8 ({place}): charset-normalizer takes it for {likely[0]}{others}"]


def _has_detector() -> bool:
    return importlib.util.find_spec("charset_normalizer") is not None


def _likely(raw: bytes) -> list[str]:
    """The encodings that charset-normalizer finds likely and that read differently, the likeliest first.

    Among those that it finds about as likely the commoner comes first, where it goes by the alphabet, and kana speak
    for Japanese: rows of them are letters of other East Asian encodings, too, but none that texts are made of. There
    are none without it, or in binary data.
    """
    if b"\0" in raw or not _has_detector():
        return []
    from charset_normalizer import from_bytes

    matches = list(from_bytes(raw[:_MIB]))
    near = [m for m in matches if m.chaos <= matches[0].chaos + 0.12 and m.coherence >= matches[0].coherence - 0.05]
    near.sort(key=lambda match: not _is_kana(str(match)))
    if near and _is_kana(str(near[0])):
        near = near[:1]
    texts: dict[str, str] = {}
    for match in near:
        names = [match.encoding, *match.could_be_from_charset]
        texts.setdefault(str(match), next((name for name in _COMMON if name in names), names[0]))
    return sorted(texts.values(), key=lambda name: _COMMON.index(name) if name in _COMMON else len(_COMMON))


def _is_kana(text: str) -> bool:
    """Whether a fifth of what is not ASCII is hiragana or katakana."""
    foreign = [character for character in text if not character.isascii()]
    return 5 * sum("\u3041" <= character <= "\u30ff" for character in foreign) > len(foreign)
