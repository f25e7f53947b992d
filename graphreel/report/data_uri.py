"""Pictures as data URIs with their size, so that the page is one file and nothing moves while it loads."""

import base64
import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image

_TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".gif": "image/gif"}
_POINT = 4 / 3  # CSS pixels


@dataclass(frozen=True)
class DataUri:
    """A picture in a page: its data URI and its size in CSS pixels."""

    uri: str
    width: int
    height: int


def data_uri(path: Path) -> DataUri:
    """Read an SVG, PNG or GIF.

    Raises:
        OSError: it cannot be read.
        ValueError: it is none of these, or does not say its size.
    """
    kind = _TYPES.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"{path} is no picture for a page: expected one of {', '.join(_TYPES)}")
    raw = path.read_bytes()
    width, height = _size(raw, path)
    return DataUri(f"data:{kind};base64,{base64.b64encode(raw).decode()}", width, height)


def _size(raw: bytes, path: Path) -> tuple[int, int]:
    if path.suffix.lower() != ".svg":
        with Image.open(BytesIO(raw)) as picture:
            return picture.size
    tag = re.search(rb"<svg[^>]*>", raw)
    size = [re.search(rb'\s%b="([\d.]+)pt"' % name, tag.group()) for name in (b"width", b"height")] if tag else [None]
    if not all(size):
        raise ValueError(f"{path} does not say its size")
    width, height = (round(float(match.group(1)) * _POINT) for match in size if match)
    return width, height
