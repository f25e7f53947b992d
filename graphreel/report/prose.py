"""Text with `$LaTeX$` and `` `code` `` in it, as HTML with MathML."""

import re
from functools import cache

from latex2mathml.converter import convert
from markupsafe import Markup, escape

_MARKS = re.compile(r"\$(?P<tex>[^$]+)\$|`(?P<code>[^`]+)`|\*(?P<stress>[^*\s][^*]*)\*")


@cache
def math(tex: str, display: bool = False) -> Markup:
    """A formula as MathML, with its LaTeX as the text that a screen reader without MathML falls back to."""
    made = convert(tex, display="block" if display else "inline")
    label = str(escape(tex)).replace('"', "&quot;")
    return Markup(made.replace("<math ", f'<math alttext="{label}" ', 1))


def prose(text: str) -> Markup:
    """Escape a text and set its formulas, code and stressed words."""
    parts: list[str] = []
    end = 0
    for match in _MARKS.finditer(text):
        parts.append(str(escape(text[end : match.start()])))
        if match["tex"] is not None:
            parts.append(str(math(match["tex"])))
        elif match["code"] is not None:
            parts.append(f"<code>{escape(match['code'])}</code>")
        else:
            parts.append(f"<em>{escape(match['stress'])}</em>")
        end = match.end()
    parts.append(str(escape(text[end:])))
    return Markup("".join(parts))


def plain(text: str) -> str:
    """A text without its marks, for where no markup can stand."""
    return _MARKS.sub(lambda match: match[match.lastgroup or 0], text)
