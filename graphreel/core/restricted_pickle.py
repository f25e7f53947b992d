"""Reading pickles without running them: first what they ask for is written down, then what is known is built.

A pickle is a program: it names functions and classes, calls them, and sets attributes on what it gets. Here every name
stands for a class made for that one lookup, whose instances only note down their arguments, state and entries; nothing
is imported, and nothing of anybody's is called or changed. From the notes, builders make what they know.
"""

import collections
import io
import pickle
import pickletools
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, ClassVar

import numpy as np

_MEMO = ("PUT", "BINPUT", "LONG_BINPUT")
Rebuild = Callable[[Any], Any]
Builder = Callable[["Record", Rebuild], Any]


class RefusedError(Exception):
    """Carries the name that a pickle asks for and must not have, as one line."""

    def __init__(self, name: str) -> None:
        super().__init__(name if name.isprintable() else ascii(name))


class Record:
    """What a pickle asked of one name: a call with `args`, then a `state` and `entries` (pairs, or items of a list)."""

    name = ""

    def __new__(cls, *args: Any, **_: Any) -> "Record":
        record = object.__new__(cls)
        record.args, record.state, record.entries = args, None, []
        return record

    args: tuple[Any, ...]
    state: Any
    entries: list[Any]

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.entries.append((key, value))

    def append(self, item: Any) -> None:
        self.entries.append(item)

    def extend(self, items: Iterable[Any]) -> None:
        self.entries.extend(items)


class Names:
    """What pickles of one kind may ask for: names that are `values`, and names that `builders` make something of."""

    values: ClassVar[dict[str, Any]] = {}
    builders: ClassVar[dict[str, Builder]] = {}

    def knows(self, name: str) -> bool:
        return name in self.values or name in self.builders

    def value(self, name: str) -> Any:
        if name not in self.values:
            raise RefusedError(name)
        return self.values[name]

    def build(self, record: Record, rebuild: Rebuild) -> Any:
        if record.name not in self.builders:
            raise RefusedError(record.name)
        return self.builders[record.name](record, rebuild)

    def fill(self, made: Any, record: Record, rebuild: Rebuild) -> None:
        """Complete what was built with that of its parts which may point back to it."""


class RestrictedUnpickler(pickle.Unpickler):
    """Gives the notes of a pickle; raises RefusedError at a name that is not known."""

    names = Names()

    def __init__(self, file: BinaryIO, **options: Any) -> None:
        super().__init__(file, **options)
        self._file = file

    def load(self) -> Any:
        """Read one pickle; a memo that is numbered past its length, for which room would be made, is refused first."""
        start = self._file.tell()
        for operation, argument, place in pickletools.genops(self._file):
            if operation.name in _MEMO and (argument or 0) > (place or 0):
                raise RefusedError(f"{argument} memos")
        self._file.seek(start)
        return super().load()

    def find_class(self, module: str, name: str) -> type[Record]:
        asked = f"{module}.{name}"
        if not self.names.knows(asked):
            raise RefusedError(asked)
        return type("Named", (Record,), {"name": asked})


def unpickler(names: Names) -> type[RestrictedUnpickler]:
    """The unpickler that knows these names."""
    return type("Unpickler", (RestrictedUnpickler,), {"names": names})


def rebuilt(notes: Any, names: Names, untouched: tuple[type, ...] = ()) -> Any:
    """What the notes of a pickle stand for. Objects of the types `untouched` are taken as they are."""
    done: dict[int, tuple[Any, Any]] = {}  # the note beside what became of it, so that no id is used twice

    def rebuild(note: Any) -> Any:
        if note is None or type(note) in (bool, int, float, complex, str, bytes, bytearray, *untouched):
            return note
        if id(note) in done:
            return done[id(note)][1]
        made = _made(note)
        done[id(note)] = note, made
        if type(note) is list:
            made.extend(map(rebuild, note))
        elif type(note) is dict:
            made.update((rebuild(key), rebuild(value)) for key, value in note.items())
        elif isinstance(note, Record):
            names.fill(made, note, rebuild)
        return made

    def _made(note: Any) -> Any:
        if isinstance(note, Record):
            return names.build(note, rebuild)
        if isinstance(note, type) and issubclass(note, Record):
            return names.value(note.name)
        if type(note) in (list, dict):
            return type(note)()
        if type(note) in (tuple, set, frozenset):
            return type(note)(map(rebuild, note))
        raise RefusedError(f"a {type(note).__name__}")

    return rebuild(notes)


def read_restricted(file: BinaryIO | bytes, names: Names, encoding: str = "ASCII") -> Any:
    """Read one pickle that asks for nothing but these names.

    Raises:
        RefusedError: another name.
        Exception: a damaged pickle fails in any way.
    """
    stream = io.BytesIO(file) if isinstance(file, bytes) else file
    return rebuilt(unpickler(names)(stream, encoding=encoding).load(), names)


def _bytes(value: str | bytes) -> bytes:
    return value.encode("latin1") if isinstance(value, str) else value


def _dtype(record: Record, rebuild: Rebuild) -> np.dtype:
    kind = np.dtype(rebuild(record.args[0]), copy=True)
    if kind.names is not None or kind.subdtype is not None:
        raise RefusedError(f"an array of {kind}")
    order: Any = rebuild(record.state)[1] if record.state is not None else "="
    return kind if kind.hasobject else kind.newbyteorder(order)


def _array(record: Record, rebuild: Rebuild) -> np.ndarray:
    _, shape, kind, by_column, content = rebuild(record.state)
    if kind.hasobject:
        array = np.empty(len(content), object)
        array[:] = content
    else:
        array = np.frombuffer(_bytes(content), kind).copy()
    return array.reshape(shape, order="F" if by_column else "C")


def _from_buffer(record: Record, rebuild: Rebuild) -> np.ndarray:
    buffer, kind, shape, order = map(rebuild, record.args[:4])
    return np.frombuffer(buffer, kind).copy().reshape(shape, order=order)


def _scalar(record: Record, rebuild: Rebuild) -> Any:
    kind, content = map(rebuild, record.args)
    return np.frombuffer(_bytes(content), kind)[0]


def _dictionary(made: dict[Any, Any], record: Record, rebuild: Rebuild) -> dict[Any, Any]:
    pairs = record.entries or (rebuild(record.args[0]) if record.args else [])
    made.update((rebuild(key), rebuild(value)) for key, value in pairs)
    return made


class ArrayNames(Names):
    """Numbers, text, lists, dictionaries and numpy arrays, by the names of old and new versions."""

    values: ClassVar = {"numpy.ndarray": np.ndarray, "builtins.list": list, "__builtin__.list": list}
    builders: ClassVar = {
        "numpy.dtype": _dtype,
        "__builtin__.bytes": lambda record, rebuild: b"",  # of none, written for Python 2
        "_codecs.encode": lambda record, rebuild: _bytes(rebuild(record.args[0])),  # bytes written for Python 2
        "collections.OrderedDict": lambda *note: _dictionary(collections.OrderedDict(), *note),
        "collections.defaultdict": lambda *note: _dictionary(collections.defaultdict(list), *note),
        **{f"numpy.{core}.multiarray._reconstruct": _array for core in ("core", "_core")},
        **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
        **{f"numpy.{core}.numeric._frombuffer": _from_buffer for core in ("core", "_core")},
    }
