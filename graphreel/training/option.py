"""One setting: `option` says all of it in the line of a dataclass, a `Check` what its value must be.

learning_rate: float = option(1e-4, "Step size of Adam.", check=positive, names="--lr", panel="Training")
"""

import math
import re
import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import MISSING, dataclass, field
from typing import Any

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
# of steps, epochs and evaluations: beyond it a training takes years
times = (at_least(1), at_most(1_000_000_000))
times_or_none = (at_least(0), at_most(1_000_000_000))


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
    read: Callable[[Any], Any] | None = None,
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
        read: makes the value of a text, in place of `check`; a ValueError says what it expects.
    """
    checks = check if isinstance(check, tuple) else (check,)
    said = {"help": help, "checks": checks, "names": names.split(), "off": off, "panel": panel, "before": before}
    said |= {"by_data": by_data, "read": read}
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
    read: Callable[[Any], Any] | None = None

    @property
    def flags(self) -> list[str]:
        """Its flags, and for one that is on or off both in one, as typer takes them."""
        on = f"--{dashed(self.name)}"
        return [f"{on}/{self.off or f'--no-{on[2:]}'}"] if self.kind is bool else [on, *self.names]

    @property
    def choices(self) -> tuple[str, ...]:
        return next((check.choices for check in self.checks if check.choices), ())

    def typed(self, value: Any) -> str:
        """What a command line has for a value."""
        on, _, off = self.flags[0].partition("/")
        if self.kind is bool:
            return on if value else off
        return f"{on} {value:g}" if isinstance(value, float) else f"{on} {shlex.quote(str(value))}"

    def accepted(self, value: Any) -> Any:
        """The value, a whole number as a float where one is expected.

        Raises:
            ValueError: it is of another type, or a check does not hold.
        """
        if self.read is not None:
            try:
                return self.read(value)
            except ValueError as error:
                raise ValueError(f"--{dashed(self.name)} expects {error}, got {value!r}") from None
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


def interval(value: Any) -> float | str:
    """Seconds of a number, or of one with s, min or h behind it; of one with steps the text, as "200steps".

    Raises:
        ValueError: it is none of these.
    """
    found = re.fullmatch(r"([0-9.]+(?:e-?\d+)?) *(s|min|h|steps?|)", str(value).strip())
    with suppress(ValueError):
        if found and found[2].startswith("step") and int(found[1]) > 0:
            return f"{int(found[1])}steps"
        if found and not found[2].startswith("step"):
            return float(found[1]) * {"": 1, "s": 1, "min": 60, "h": 3600}[found[2]]
    raise ValueError("seconds, or a number with min, h or steps behind it, as 10min or 200steps")


def dashed(name: str) -> str:
    return name.replace("_", "-")
