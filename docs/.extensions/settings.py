"""A Markdown extension that puts tables in the place of the lines `[settings]` and `[presets]`."""

from typing import Any

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor

from graphreel.cli.settings_page import settings_tables
from graphreel.training.presets import preset_table


class _Tables(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        tables = {"[settings]": "\n\n".join(settings_tables()), "[presets]": preset_table()}
        return [part for line in lines for part in tables.get(line, line).split("\n")]


class _Settings(Extension):
    def extendMarkdown(self, md: Markdown) -> None:
        md.preprocessors.register(_Tables(md), "settings", 200)  # before anything reads the text


def makeExtension(**_: Any) -> Extension:
    return _Settings()
