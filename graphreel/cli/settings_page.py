"""Every setting of every training as Markdown, for the documentation: `python -m graphreel.cli.settings_page`."""

from collections.abc import Iterator

from graphreel.cli.train_command import described
from graphreel.experiments.kinds import KINDS
from graphreel.training.option import Setting
from graphreel.training.settings import Settings


def settings_tables() -> Iterator[str]:
    """A heading and a table for each kind of training: flags, setting, default, presets and recipes, meaning."""
    for name, kind in KINDS.items():
        settings: type[Settings] = kind.settings
        presets = {**settings.PRESETS, **{f"--recipe {recipe}": values for recipe, values in settings.RECIPES.items()}}
        rows = [
            _row(key, one, [preset.get(key, "") for preset in presets.values()])
            for key, one in settings.shown().items()
        ]
        title = f"graphreel {kind.room} {'compare' if name == 'compare' else f'train, on {kind.on}'}"
        head = ["flags", "setting", "default", *presets, "meaning", "expects"]
        yield "\n".join([f"## {title}", "", _line(head), _line(["---"] * len(head)), *rows])


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
