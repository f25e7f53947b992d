"""A Markdown extension for formulas and for what docstrings borrow from reStructuredText.

Formulas, $...$, $$...$$ and :math:`...`, become MathML, which browsers draw without a script.
"""

import re
import xml.etree.ElementTree as etree
from typing import Any

import latex2mathml.converter
from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor


class _Formula(InlineProcessor):
    def __init__(self, pattern: str, display: str) -> None:
        super().__init__(pattern)
        self.display = display

    def handleMatch(self, match: re.Match[str], _: str) -> tuple[Any, int, int]:
        mathml = latex2mathml.converter.convert(match[1], display=self.display)
        within_html = re.sub(r' xmlns="[^"]*"', "", mathml)
        return etree.fromstring(within_html), match.start(), match.end()


class _Code(InlineProcessor):
    """A role of Sphinx's, such as :class:`GCNConv`, is the name in code."""

    def handleMatch(self, match: re.Match[str], _: str) -> tuple[etree.Element, int, int]:
        code = etree.Element("code")
        code.text = match[1].lstrip("~")
        return code, match.start(), match.end()


class _Link(InlineProcessor):
    """`words <address>`_ is a link."""

    def handleMatch(self, match: re.Match[str], _: str) -> tuple[etree.Element, int, int]:
        link = etree.Element("a", href=match[2])
        link.text = match[1]
        return link, match.start(), match.end()


class _Tex(Extension):
    def extendMarkdown(self, md: Markdown) -> None:
        # before backslashes (180) and backticks (190) are read
        md.inlinePatterns.register(_Formula(r"\$\$(.+?)\$\$", "block"), "formula-block", 196)
        md.inlinePatterns.register(_Formula(r":math:`([^`]+)`", "inline"), "formula-role", 195)
        md.inlinePatterns.register(_Formula(r"\$([^$\s](?:[^$]*[^$\s])?)\$", "inline"), "formula", 194)
        md.inlinePatterns.register(_Link(r"`([^`<]+) <([^>`]+)>`_"), "docstring-link", 192)  # "link" is Markdown's own
        md.inlinePatterns.register(_Code(r":[a-z]+:`([^`]+)`"), "role", 193)


def makeExtension(**_: Any) -> Extension:
    return _Tex()
