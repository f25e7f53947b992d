"""A setting is one line of a dataclass: its flag, help, default, check, docs and entry of config.json derive from it.

@dataclass(frozen=True)
class TaskSettings(Settings):
    learning_rate: float = option(1e-4, "Step size of Adam.", check=positive, names="--lr", panel="Training")
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, MISSING, asdict, dataclass, field, fields
from functools import cache
from types import NoneType
from typing import Any, ClassVar, TypeVar, get_args, get_type_hints

from graphreel.core.near_names import did_you_mean
from graphreel.data.registry import data_set

S = TypeVar("S", bound="Settings")

# entries of config.json that tell of the run and are no settings
BESIDE = frozenset({"format", "room", "kind", "versions", "git_commit"})
_TYPES: dict[Any, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


@dataclass(frozen=True)
class Check:
    """What a value must be: `holds` of it, `expects` in words; `choices` where there are only so many."""

    expects: str
    holds: Callable[[Any], bool]
    choices: tuple[str, ...] = ()


positive = Check("a positive number", lambda value: 0 < value < math.inf)
share = Check("a share from 0 to below 1", lambda value: 0 <= value < 1)

device = Check("auto, cpu, cuda, cuda:N or mps", lambda value: bool(re.fullmatch(r"auto|cpu|cuda(:\d)?|mps", value)))


def at_least(least: float) -> Check:
    """A number that is not below `least`."""
    return Check(f"at least {least:,}", lambda value: value >= least)


def at_most(most: float) -> Check:
    """A number that is not above `most`."""
    return Check(f"at most {most:,}", lambda value: value <= most)


def one_of(*choices: str) -> Check:
    """One of some words; "" is allowed without being named where it is among them."""
    named = tuple(choice for choice in choices if choice)
    return Check(f"one of {', '.join(named)}", lambda value: value in choices, named)


# beyond it a width, a number of layers or a batch fits no memory
size = (at_least(1), at_most(1_000_000))


def option(
    default: Any,
    help: str,
    *,
    check: Check | tuple[Check, ...] = (),
    names: str = "",
    off: str = "",
    panel: str = "Model",
    before: Any = MISSING,
    by_data: bool = False,
) -> Any:
    """The default of a field of `Settings`, with all that a command says of it.

    Args:
        default: without a preset; MISSING where the user must say.
        help: a sentence; the choices of `check` and the default are added to it.
        check: what the value must hold to.
        names: further flags, with blanks between, as "--lr".
        off: the flag that turns it off, of a setting that is on or off; left out, --no-NAME.
        panel: the part of the help that shows it.
        before: of a setting that did not exist from the start, what runs made before it had did.
        by_data: whether a number that is left out, 0, is chosen by the data.
    """
    checks = check if isinstance(check, tuple) else (check,)
    said = {"help": help, "checks": checks, "names": names.split(), "off": off, "panel": panel, "before": before}
    said["by_data"] = by_data
    return field(default=default, metadata=said)


@dataclass(frozen=True)
class Setting:
    """A field of `Settings`, as its line tells of it; `kind` is int, float, bool or str."""

    name: str
    kind: type
    may_be_none: bool
    default: Any
    help: str
    checks: tuple[Check, ...]
    names: tuple[str, ...]
    off: str
    panel: str
    before: Any
    by_data: bool

    @property
    def flags(self) -> list[str]:
        """Its flags, and for one that is on or off both in one, as typer takes them."""
        on = f"--{dashed(self.name)}"
        return [f"{on}/{self.off or f'--no-{on[2:]}'}"] if self.kind is bool else [on, *self.names]

    @property
    def choices(self) -> tuple[str, ...]:
        return next((check.choices for check in self.checks if check.choices), ())

    def accepted(self, value: Any) -> Any:
        """The value, a whole number as a float where one is expected.

        Raises:
            ValueError: it is of another type, or a check does not hold.
        """
        if value is None and self.may_be_none:
            return value
        expects, is_number = _TYPES[self.kind], isinstance(value, int | float) and not isinstance(value, bool)
        if self.kind is float and is_number and abs(value) < 2**1023:
            value = float(value)
        fits = isinstance(value, self.kind) and (is_number or self.kind not in (int, float))
        finite = Check("a finite number", lambda value: self.kind is not float or math.isfinite(value))
        failed = (
            next((check.expects for check in (*self.checks, finite) if not check.holds(value)), "") if fits else expects
        )
        if failed:
            raise ValueError(f"--{dashed(self.name)} expects {failed}, got {value!r}")
        return value


@dataclass(frozen=True)
class Settings:
    """Base of the settings of a kind of training.

    Class attributes:
        ROOM: gnn, rnn or combined.
        KINDS: the kinds of data in `graphreel.data.registry` that it is for.
        CALLED: what it is for, in a sentence that may name {data}.
        PANEL: the part of the help for options that no other settings of the same command have.
        PRESETS: values other than the defaults, by what they are for.
    """

    ROOM: ClassVar[str] = ""
    KINDS: ClassVar[tuple[str, ...]] = ()
    CALLED: ClassVar[str] = ""
    PANEL: ClassVar[str] = ""
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    data: str = option(MISSING, "Data set by name, or the path of one.", panel="Run")
    _: KW_ONLY
    seed: int = option(0, "First seed; the others follow it.", check=(at_least(0), at_most(2**31 - 1)), panel="Run")
    seeds: int = option(
        1, "Train this many seeds; mean and standard deviation.", check=(at_least(1), at_most(10_000)), panel="Run"
    )  # fmt: skip
    device: str = option("auto", "Where to train: auto, cpu, cuda, cuda:N or mps.", check=device, panel="Run")

    def __post_init__(self) -> None:
        for name, setting in self.options().items():
            object.__setattr__(self, name, setting.accepted(getattr(self, name)))
        self.check()

    def check(self) -> None:
        """Rules between settings; each setting by itself has been checked.

        Raises:
            ValueError: one of them is broken.
        """

    @property
    def every_seed(self) -> list[int]:
        """seed, seed + 1, ...: as many as `seeds` says."""
        return list(range(self.seed, self.seed + self.seeds))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    @cache
    def options(cls) -> dict[str, Setting]:
        """Its settings by name, in their order."""
        hints, found = get_type_hints(cls), {}
        for one in fields(cls):
            kinds = get_args(hints[one.name]) or (hints[one.name],)
            said = {**one.metadata, "names": tuple(one.metadata["names"])}
            found[one.name] = Setting(one.name, kinds[0], NoneType in kinds, one.default, **said)
        return found

    @classmethod
    def shown(cls) -> dict[str, Setting]:
        """The settings that a command offers: without those that it sets itself."""
        return cls.options()

    @classmethod
    def preset(cls, data: str, kind: str, typed: Mapping[str, Any]) -> Mapping[str, Any]:
        """What differs from the defaults for a data set of a kind, where the user says nothing else.

        Raises:
            ValueError: `typed` does not go with the data.
        """
        return cls.PRESETS.get(kind, {})

    @classmethod
    def resolve(cls: type[S], data: str, typed: Mapping[str, Any], kind: str | None = None) -> S:
        """The preset of the data, overridden by what the user set.

        Args:
            data: name or path, as for `graphreel.data.load`.
            typed: settings by name.
            kind: of the data, as in `graphreel.data.registry`; found where it is not given.

        Raises:
            ValueError: unknown data or data of another room, a value out of its range, or a foreign setting.
            FileNotFoundError: there is no such file.
        """
        kind = kind or data_set(data, cls.ROOM).kind
        known = cls.options()
        for name in typed:
            if name not in known:
                raise ValueError(f"--{dashed(name)} is not an option for {cls.CALLED.format(data=data)}")
            if known[name].by_data and typed[name] == 0:
                raise ValueError(f"--{dashed(name)} expects a number above 0, got 0")
        return cls(**{**cls.preset(data, kind, typed), **typed, "data": data})

    @classmethod
    def from_dict(cls: type[S], values: Mapping[str, Any]) -> S:
        """Read the settings back from a config.json; what an older one lacks is as it was when it was written.

        Raises:
            ValueError: one of them is missing, unknown, or of another type.
        """
        known = cls.options()
        for name in values:
            if name not in known and name not in BESIDE:
                raise ValueError(f"config.json holds the unknown setting {name}{did_you_mean(name, known)}")
        old = {name: one.before for name, one in known.items() if one.before is not MISSING}
        missing = [name for name in known if name not in values and name not in old]
        if missing:
            raise ValueError(f"config.json lacks the settings {', '.join(missing)}")
        try:
            return cls(**{name: values.get(name, old.get(name)) for name in known})
        except ValueError as error:
            raise ValueError(f"config.json: {error}") from None


def dashed(name: str) -> str:
    return name.replace("_", "-")
