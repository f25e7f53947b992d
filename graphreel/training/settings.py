"""The settings of a training: a dataclass of options, from which the command, its help and config.json derive."""

from collections.abc import Mapping
from dataclasses import KW_ONLY, MISSING, asdict, dataclass, fields
from functools import cache
from types import NoneType
from typing import Any, ClassVar, TypeVar, get_args, get_type_hints

from graphreel.core.near_names import did_you_mean
from graphreel.data.registry import data_set
from graphreel.training.option import Setting, at_least, at_most, dashed, device, interval, one_of, option
from graphreel.training.presets import NAMES as PRESET_NAMES
from graphreel.training.presets import preset_values
from graphreel.training.trackers import TRACKERS

S = TypeVar("S", bound="Settings")

# entries of config.json that tell of the run and are no settings
BESIDE = frozenset({"format", "room", "kind", "versions", "git_commit", "launch"})


@dataclass(frozen=True)
class Settings:
    """Base of the settings of a kind of training.

    Class attributes:
        ROOM: gnn, rnn or combined.
        KINDS: the kinds of data in `graphreel.data.registry` that it is for.
        CALLED: what it is for, in a sentence that may name {data}.
        PANEL: the part of the help for options that no other settings of the same command have.
        READING: the settings that say how a file is read, for the loader of the data.
        PRESETS: values other than the defaults, by what they are for.
        RECIPES: values that the user asks for by a name, which come before the preset's.
    """

    ROOM: ClassVar[str] = ""
    KINDS: ClassVar[tuple[str, ...]] = ()
    CALLED: ClassVar[str] = ""
    PANEL: ClassVar[str] = ""
    READING: ClassVar[tuple[str, ...]] = ()
    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    RECIPES: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    data: str = option(MISSING, "Data set by name, or the path of one.", panel="Run")
    _: KW_ONLY
    seed: int = option(0, "First seed; the others follow it.", check=(at_least(0), at_most(2**31 - 1)), panel="Run")
    seeds: int = option(
        1, "Train this many seeds; mean and standard deviation.", check=(at_least(1), at_most(10_000)), panel="Run"
    )  # fmt: skip
    device: str = option("auto", "Where to train: auto, cpu, cuda, cuda:N or mps.", check=device, panel="Run")
    checkpoint_every: str = option(
        5.0, "Least seconds between two checkpoints; or 10min, or 200steps.", read=interval, panel="Run", before=5.0
    )
    keep_checkpoints: int = option(
        0, "Newest checkpoints that stay; 0: two while it trains, and the last one at its end.",
        check=(at_least(0), at_most(1000)), panel="Run", before=0,
    )  # fmt: skip

    log: str = option(
        "",
        "Also log to a tracker, in the run folder unless a server is named",
        check=one_of("", *TRACKERS),
        panel="Run",
        before="",
    )
    preset: str = option(
        "", "Settings of the data set that were chosen together; typed options win", check=one_of("", *PRESET_NAMES),
        panel="Run", before="",
    )  # fmt: skip
    init_from: str = option("", "Run whose weights it starts from, where names and shapes fit.", panel="Run", before="")

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

    @property
    def reading(self) -> dict[str, Any]:
        """What the loader of the data takes as options of the file."""
        return {name: getattr(self, name) for name in self.READING}

    @property
    def checkpoints(self) -> dict[str, Any]:
        """What a `Plan` says of its checkpoints."""
        every: Any = self.checkpoint_every
        when = {"checkpoint_seconds": every} if isinstance(every, float) else {"checkpoint_steps": int(every[:-5])}
        return {**when, "keep_checkpoints": self.keep_checkpoints}

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
    def of_data(cls, data: str, kind: str, typed: Mapping[str, Any]) -> Mapping[str, Any]:
        """What differs from the defaults for a data set of a kind, where the user says nothing else.

        Raises:
            ValueError: `typed` does not go with the data.
        """
        return cls.PRESETS.get(kind, {})

    @classmethod
    def resolve(cls: type[S], data: str, typed: Mapping[str, Any], kind: str | None = None) -> S:
        """What the data's kind is trained with, overridden by a preset that is asked for, and by what the user set.

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
        if typed.get("preset"):
            model = str(typed.get("model", known["model"].default)) if "model" in known else ""
            typed = {**preset_values(typed["preset"], data, kind, model), **typed}
        return cls(**{**cls.of_data(data, kind, typed), **typed, "data": data})

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
