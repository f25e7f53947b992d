"""Text with `$LaTeX$` and `` `code` `` in it, as HTML with MathML."""

import re
from functools import cache

from latex2mathml.converter import convert
from markupsafe import Markup, escape

_NAMED = re.compile(r"<mo>([A-Za-z]{2,})</mo>")  # softmax is a name: as an operator it would stand between wide gaps
# what belongs to a number stays on its line
_TIED = re.compile(r"(?<=\d) (?=[%±·]|[kM]B\b|m?s\b|bits\b)|(?<=[±·]) (?=\d)")
_MARKS = re.compile(r"(?P<open>\(?)\$(?P<tex>[^$]+)\$(?P<close>[).,:;]*)|`(?P<code>[^`]+)`|\*(?P<stress>[^*\s][^*]*)\*")


@cache
def math(tex: str, display: bool = False) -> Markup:
    """A formula as MathML, with its LaTeX as the text that a screen reader without MathML falls back to."""
    made = convert(tex, display="block" if display else "inline")
    made = _NAMED.sub(r"<mi>\1</mi>", made)
    label = str(escape(tex)).replace('"', "&quot;")
    return Markup(made.replace("<math ", f'<math alttext="{label}" ', 1))


def prose(text: str) -> Markup:
    """Escape a text and set its formulas, code and stressed words."""
    parts: list[str] = []
    end = 0
    for match in _MARKS.finditer(text):
        parts.append(_plain_text(text[end : match.start()]))
        if match["tex"] is not None:
            around = match["open"] + match["close"]
            made = f"{match['open']}{math(match['tex'])}{match['close']}"
            parts.append(f'<span class="tied">{made}</span>' if around else made)
        elif match["code"] is not None:
            parts.append(f"<code>{escape(match['code'])}</code>")
        else:
            parts.append(f"<em>{escape(match['stress'])}</em>")
        end = match.end()
    parts.append(_plain_text(text[end:]))
    return Markup("".join(parts))


def _plain_text(text: str) -> str:
    return str(escape(_TIED.sub("\u00a0", text)))


def plain(text: str) -> str:
    """A text without its marks, for where no markup can stand."""
    return _MARKS.sub(lambda match: "".join(part for part in match.groups() if part), text)
