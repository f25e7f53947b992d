"""Markdown with `$LaTeX$` in it, split at its headings and set as HTML: text, formulas, tables, figures, commands."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from latex2mathml.converter import convert_to_element
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape
from mdit_py_plugins.dollarmath import dollarmath_plugin

from graphreel.report.data_uri import data_uri

_WIDE = 700  # CSS pixels from which a picture needs a whole row
_CAPTION = "Table: "
# what belongs to a number stays on its line
_TIED = re.compile(r"(?<=\d) (?=[%±·]|[kM]B\b|m?s\b|bits\b)|(?<=[±·]) (?=\d)")
_BRACKETED = re.compile(r"(\(?)(<math [^>]*display=\"inline\".*?</math>)([).,:;]*)", re.DOTALL)
_FLAGS = re.compile(r"--?[a-z][\w-]*(?: (?!-)\S+)?|\S+")
# what sets a formula, and no more: neither links nor scripts nor styles
_MATHML = {
    "math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot", "mover", "munder",
    "munderover", "msub", "msup", "msubsup", "mtable", "mtr", "mtd", "mstyle", "mpadded", "mphantom", "menclose",
}  # fmt: skip
_ATTRIBUTES = {
    "display", "stretchy", "fence", "form", "separator", "mathvariant", "movablelimits", "linethickness", "width",
    "height", "depth", "displaystyle", "scriptlevel", "columnalign", "columnspacing", "columnlines", "rowspacing",
    "rowlines", "accent", "minsize", "maxsize", "lspace", "rspace", "notation",
}  # fmt: skip


@cache
def math(tex: str, display: bool = False) -> Markup:
    """A formula as MathML, with its LaTeX as the text that a screen reader without MathML falls back to.

    Only elements and attributes that set formulas pass: no link, script or style can come out of a formula.
    """
    root = convert_to_element(tex, display="block" if display else "inline")
    for element in root.iter():
        if element.tag not in _MATHML:
            element.tag = "mrow"
        if element.tag == "mo" and re.fullmatch("[A-Za-z]{2,}", element.text or ""):
            element.tag = "mi"  # softmax is a name: as an operator it would stand between wide gaps
        for name in set(element.attrib) - _ATTRIBUTES:
            del element.attrib[name]
        element.text = unescape(element.text or "")
    made = ElementTree.tostring(root, encoding="unicode")
    return Markup(made.replace("<math", f'<math alttext="{_attribute(tex)}"', 1))


@dataclass(frozen=True)
class Blocks:
    """Parsed Markdown: paragraphs, tables, figures, formulas and commands, one after the other."""

    tokens: Sequence[Token] = field(default=())

    def html(self, folder: Path = Path()) -> Markup:
        """As HTML, with the pictures of `folder` in it.

        Raises:
            OSError, ValueError: a picture is missing or none.
        """
        made = _RENDERER.render(self.tokens, _MARKDOWN.options, {"folder": folder})
        return Markup(_BRACKETED.sub(_tie, made))

    @property
    def line(self) -> Markup:
        """The paragraphs as one line of HTML, to stand behind something in the same paragraph."""
        inline = [token.children or [] for token in self.tokens if token.type == "inline"]
        made = " ".join(_RENDERER.renderInline(part, _MARKDOWN.options, {}) for part in inline)
        return Markup(_BRACKETED.sub(_tie, made))

    @property
    def plain(self) -> str:
        """The text without its marks, in one line, for where no markup can stand."""
        return _plain(
            [child for token in self.tokens for child in [*(token.children or []), Token("softbreak", "", 0)]]
        )

    @property
    def pictures(self) -> list[str]:
        """Names of the pictures' files."""
        children = (child for token in self.tokens for child in token.children or [])
        return [str(child.attrs["src"]) for child in children if child.type == "image"]

    @property
    def commands(self) -> dict[str, str]:
        """Command -> the paragraph above it, in plain text."""
        found = {}
        for number, token in enumerate(self.tokens):
            if token.type == "code_block":
                found[token.content.strip()] = Blocks(self.tokens[max(0, number - 3) : number]).plain
        return found


def parse(text: str) -> dict[str, Blocks]:
    """The parts of a Markdown text: heading -> what stands below it; "" -> what stands before the first."""
    parts: dict[str, list[Token]] = {"": []}
    heading = ""
    for token in _shaped(_MARKDOWN.parse(text)):
        if token.type == "heading_open":
            heading = "#"
        elif heading == "#" and token.type == "inline":
            heading = token.content
            parts[heading] = []
        elif token.type != "heading_close":
            parts[heading].append(token)
    return {name: Blocks(tokens) for name, tokens in parts.items()}


def _shaped(tokens: list[Token]) -> list[Token]:
    """Captions moved into their tables, row heads marked, lone pictures set side by side."""
    shaped: list[Token] = []
    body = False
    for number, token in enumerate(tokens):
        children = tokens[number + 1].children or [] if number + 1 < len(tokens) else []
        if token.type == "paragraph_open" and {child.type for child in children} <= {"image", "softbreak"}:
            token.tag = tokens[number + 2].tag = "div"
            token.attrSet("class", "figures")
        elif token.type == "table_open" and len(shaped) > 2 and shaped[-2].content.startswith(_CAPTION):
            caption = shaped[-2].content.removeprefix(_CAPTION)
            del shaped[-3:]
            token.meta["caption"] = caption
        elif token.type in ("tbody_open", "tbody_close"):
            body = token.type == "tbody_open"
        elif token.type == "th_open":
            token.attrSet("scope", "col")
        elif token.type == "td_open" and [child.type for child in children] == ["code_inline"]:
            token.attrSet("class", "verbatim")
            children[0].type = "verbatim"
        elif token.type == "td_open" and body and tokens[number - 1].type == "tr_open":
            token.tag = tokens[number + 2].tag = "th"
            token.attrSet("scope", "row")
        shaped.append(token)
    return shaped


def _figure(renderer: Any, tokens: Sequence[Token], number: int, options: Any, env: Any) -> str:
    token = tokens[number]
    image = data_uri(env["folder"] / str(token.attrs["src"]))
    caption = parse(str(token.attrs.get("title", "")))[""]
    alt = _attribute(_plain(token.children or []))
    picture = f'<img src="{image.uri}" width="{image.width}" height="{image.height}" alt="{alt}">'
    wide = image.width >= _WIDE
    if wide:
        picture = (
            f'<label class="enlarge"><input type="checkbox"> enlarge</label><div class="scroll" tabindex="0" '
            f'role="group" aria-label="{_attribute(caption.plain)} (scrolls when enlarged)">{picture}</div>'
        )
    kind = ' class="wide"' if wide else ""
    return f"<figure{kind}>{picture}<figcaption>{caption.line}</figcaption></figure>"


def _table_open(renderer: Any, tokens: Sequence[Token], number: int, options: Any, env: Any) -> str:
    caption = parse(tokens[number].meta.get("caption", ""))[""]
    label = _attribute(caption.plain)
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{label} (table)"><table>'
        f"<caption><span>{caption.line}</span></caption>"
    )


def _command(renderer: Any, tokens: Sequence[Token], number: int, options: Any, env: Any) -> str:
    """A command that breaks between its flags only."""
    words = [f'<span class="tied">{escape(word)}</span>' for word in _FLAGS.findall(tokens[number].content)]
    return f"<pre><code>{' '.join(words)}</code></pre>\n"


def _formula(renderer: Any, tokens: Sequence[Token], number: int, options: Any, env: Any) -> str:
    lines = "".join(math(line, display=True) for line in tokens[number].content.strip().splitlines())
    return f'<div class="equation scroll">{lines}</div>\n'


def _inline(made: Callable[[str], str]) -> Callable[..., str]:
    def rule(renderer: Any, tokens: Sequence[Token], number: int, options: Any, env: Any) -> str:
        return str(made(tokens[number].content))

    return rule


def _tied(text: str) -> str:
    return str(escape(_TIED.sub("\u00a0", text)))


def _tie(match: re.Match[str]) -> str:
    before, formula, behind = match.groups()
    return f'<span class="tied">{match[0]}</span>' if before or behind else formula


def _plain(children: Sequence[Token]) -> str:
    return " ".join("".join(" " if one.type == "softbreak" else one.content for one in children).split())


def _attribute(text: str) -> str:
    return str(escape(text)).replace("\n", " ")


def _made() -> tuple[MarkdownIt, RendererHTML]:
    made = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "autolink", "html_inline"])
    made.use(dollarmath_plugin)
    rules = {
        "image": _figure, "table_open": _table_open, "code_block": _command, "math_block": _formula,
        "table_close": lambda *_: "</table></div>\n", "text": _inline(_tied),
        "math_inline": _inline(math), "verbatim": _inline(escape),
    }  # fmt: skip
    for name, rule in rules.items():
        made.add_render_rule(name, rule)
    assert isinstance(made.renderer, RendererHTML)
    return made, made.renderer


_MARKDOWN, _RENDERER = _made()
