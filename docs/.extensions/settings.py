"""A Markdown extension that puts the tables of every setting in the place of a line `[settings]`."""

from typing import Any

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

from graphreel.cli.settings_page import settings_tables


class _Tables(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        tables = "\n\n".join(settings_tables()).splitlines()
        return [part for line in lines for part in (tables if line == "[settings]" else [line])]


class _Settings(Extension):
    def extendMarkdown(self, md: Markdown) -> None:
        md.preprocessors.register(_Tables(md), "settings", 200)  # before anything reads the text


def makeExtension(**_: Any) -> Extension:
    return _Settings()
