"""What settings have in common: they are dataclasses, checked when made, written to config.json and read back."""

from dataclasses import asdict, fields
from typing import Any, TypeVar

S = TypeVar("S", bound="Settings")


class Settings:
    """Base of dataclasses whose fields are the options of a command."""

    @property
    def every_seed(self) -> list[int]:
        """seed, seed + 1, ...: as many as `seeds` says."""
        first, count = self.seed, self.seeds  # type: ignore[attr-defined]
        return list(range(first, first + count))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_dict(cls: type[S], values: dict[str, Any]) -> S:
        """Read the settings back from a config.json.

        Raises:
            ValueError: one of them is missing or of another type.
        """
        names = [f.name for f in fields(cls)]  # type: ignore[arg-type]
        missing = [name for name in names if name not in values]
        if missing:
            raise ValueError(f"config.json lacks the settings {', '.join(missing)}")
        try:
            return cls(**{name: values[name] for name in names})
        except TypeError as error:
            raise ValueError(f"config.json holds a setting of another type: {error}") from None

    @classmethod
    def check_names(cls, typed: dict[str, Any], what: str) -> None:
        """Refuse options that belong to another kind of training.

        Raises:
            ValueError: one of them was typed.
        """
        names = {f.name for f in fields(cls)}  # type: ignore[arg-type]
        for name in typed:
            if name not in names:
                raise ValueError(f"--{dashed(name)} is not an option for {what}")

    def expect_one_of(self, name: str, choices: tuple[str, ...]) -> None:
        if getattr(self, name) not in choices:
            raise ValueError(f"--{dashed(name)} expects one of {', '.join(choices)}, got {getattr(self, name)!r}")

    def expect_at_least(self, least: float, *names: str) -> None:
        for name in names:
            if not getattr(self, name) >= least:
                raise ValueError(f"--{dashed(name)} expects at least {least}, got {getattr(self, name)}")

    def expect_positive(self, *names: str) -> None:
        for name in names:
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"--{dashed(name)} expects a positive number, got {getattr(self, name)}")

    def expect_share(self, *names: str) -> None:
        for name in names:
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"--{dashed(name)} expects a share from 0 to below 1, got {getattr(self, name)}")


def dashed(name: str) -> str:
    return name.replace("_", "-")
