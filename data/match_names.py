"""Which name in one file means which sensor or node of another."""

import re
import unicodedata
from collections import Counter, defaultdict


def canonical(name: str) -> str:
    """A name without case, spaces, a whole number's decimals and leading zeros: " 0773869.0" is "773869"."""
    name = re.sub(r"\s+", "", unicodedata.normalize("NFKC", name)).casefold()
    number = re.fullmatch(r"0*(\d+?)(?:\.0*)?", name)
    return number[1] if number else name


def match_names(given: list[str], names: list[str], whose: str, series: str, all_of: bool = True) -> list[int]:
    """The place in `names` of each of `given`: exactly, and of what is then left by their `canonical` form.

    Args:
        given, names: of one file and of the series.
        whose, series: what the two are called.
        all_of: whether each of `names` must be given, once.

    Raises:
        ValueError: names that differ, listed, or one that comes twice.
    """
    counts = Counter(given)
    exact = {name: place for place, name in enumerate(names)}
    forms = defaultdict(list)
    for name, place in exact.items():
        if name not in counts or not all_of:
            forms[canonical(name)].append(place)
    places = {name: [exact[name]] if name in exact else forms[canonical(name)] for name in counts}
    either = next((found for found in places.values() if len(found) > 1), None)
    if either is not None or len(exact) < len(names):
        often = Counter(names).most_common(1)[0][0]
        told = f"both {names[either[0]]!r} and {names[either[1]]!r}" if either else f"{often!r} twice"
        raise ValueError(f"{whose} cannot be matched: {series} names {told}")
    given_of = Counter(place for name, found in places.items() for place in found * counts[name])
    strange, absent = [name for name, found in places.items() if not found], []
    twice = next((names[place] for place, count in given_of.items() if count > 1 and all_of), None)
    if all_of:
        absent = [name for name, place in exact.items() if place not in given_of]
    faults = [f"{_listed(strange)} {'are' if len(strange) > 1 else 'is'} not in {series}"] if strange else []
    faults += [f"it lacks {_listed(absent)}"] if absent else []
    faults += [f"it names {twice!r} twice"] if twice is not None else []
    if faults:
        raise ValueError(f"{whose} does not fit: {', and '.join(faults)}")
    return [places[name][0] for name in given]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(map(repr, names[:10])) + more
