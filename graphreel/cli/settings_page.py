"""Every setting of every training as Markdown, for the documentation: `python -m graphreel.cli.settings_page`."""

from collections.abc import Iterator

from graphreel.cli.train_command import described
from graphreel.experiments.clip_settings import ClipSettings, CompareSettings
from graphreel.experiments.graph_settings import GnnSettings
from graphreel.experiments.series_settings import SeriesSettings
from graphreel.experiments.task_settings import TaskSettings
from graphreel.experiments.text_settings import TextSettings
from graphreel.training.option import Setting
from graphreel.training.settings import Settings

PAGES: tuple[tuple[str, type[Settings]], ...] = (
    ("graphreel gnn train", GnnSettings),
    ("graphreel rnn train, on a task", TaskSettings),
    ("graphreel rnn train, on a text", TextSettings),
    ("graphreel combined train, on clips", ClipSettings),
    ("graphreel combined train, on a series", SeriesSettings),
    ("graphreel combined compare", CompareSettings),
)


def settings_tables() -> Iterator[str]:
    """A heading and a table for each kind of training: flags, name in config.json, default and presets, meaning."""
    for title, settings in PAGES:
        presets = settings.PRESETS
        rows = [
            _row(name, one, [preset.get(name, "") for preset in presets.values()]) for name, one in _shown(settings)
        ]
        head = ["flags", "setting", "default", *presets, "meaning", "expects"]
        yield "\n".join([f"## {title}", "", _line(head), _line(["---"] * len(head)), *rows])


def _shown(settings: type[Settings]) -> list[tuple[str, Setting]]:
    return list(settings.shown().items())


def _row(name: str, one: Setting, presets: list[object]) -> str:
    flags = " ".join(f"`{flag}`" for flags in one.flags for flag in flags.split("/"))
    default = "" if name == "data" or one.by_data else _code(one.default)
    expects = "; ".join(check.expects for check in one.checks if not check.choices)
    return _line([flags, f"`{name}`", default, *map(_code, presets), described(one), expects])


def _code(value: object) -> str:
    return "" if value in ("", None) else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    print("\n\n".join(settings_tables()))
