"""The commands, their flags and their arguments, as `--help` tells them."""

import re
import tempfile
from pathlib import Path
from typing import Any

from running import play

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def told(commands: list[str]) -> dict[str, dict[str, Any]]:
    """{command: {"code", "flags", "words"}} of each command's help; "" is graphreel itself."""
    with tempfile.TemporaryDirectory() as folder:
        answers = play([[*command.split(), "--help"] for command in commands], Path(folder))
    pages = [_COLOUR.sub("", answer["out"] + answer["error"]) for answer in answers]
    return {
        command: {
            "code": answer["code"],
            "flags": sorted(set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*(?![\w-])", page))),
            "words": set(re.findall(r"[\w-]+", page.lower())),
        }
        for command, answer, page in zip(commands, answers, pages, strict=True)
    }


def walk() -> dict[str, dict[str, list[str]]]:
    """{command: {"flags", "arguments"}} of every command, by a walk over the application."""
    import typer

    from graphreel.cli.app import app

    found: dict[str, dict[str, list[str]]] = {}

    def visit(command: Any, name: str) -> None:
        parameters = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
        options = [parameter for parameter in parameters if parameter.param_type_name == "option"]
        flags = {flag for option in options for flag in [*option.opts, *option.secondary_opts]}
        arguments = [p.name for p in parameters if p.param_type_name == "argument"]
        found[name] = {"flags": sorted({*flags, "--help", "-h"}), "arguments": arguments}
        for part, inner in getattr(command, "commands", {}).items():
            visit(inner, f"{name} {part}".strip())

    visit(typer.main.get_command(app), "")
    return found
