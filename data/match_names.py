"""Which name in one file means which sensor or node of another."""

import re
from collections import Counter


def canonical(name: str) -> str:
    """A name without case, spaces, a whole number's decimals and leading zeros: " 0773869.0" is "773869"."""
    name = re.sub(r"\s+", "", name).casefold()
    number = re.fullmatch(r"0*(\d+?)(?:\.0*)?", name)
    return number[1] if number else name


def match_names(given: list[str], names: list[str], whose: str, series: str, all_of: bool = True) -> list[int]:
    """The place in `names` of each of `given`: exactly, or else all of them by their `canonical` form.

    Args:
        given, names: of one file and of the series.
        whose, series: what the two are called.
        all_of: whether each of `names` must be given too.

    Raises:
        ValueError: names that differ, listed, or one that comes twice.
    """
    for form in (str, canonical):
        wanted, found = [form(name) for name in names], [form(name) for name in given]
        often = next((name for name, count in Counter(wanted).items() if count > 1), None)
        if often is None and set(found) <= set(wanted) and (not all_of or set(found) == set(wanted)):
            twice = next((name for name, count in Counter(found).items() if count > 1), None)
            if all_of and twice is not None:
                raise ValueError(f"{whose} names {twice!r} twice")
            place = {name: number for number, name in enumerate(wanted)}
            return [place[name] for name in found]
        if often is not None:
            raise ValueError(f"{whose} cannot be matched: {series} names {often!r} twice")
    strange = [name for name in dict.fromkeys(given) if canonical(name) not in wanted]
    absent = [name for name in names if canonical(name) not in found]
    told = [f"{_listed(strange)} {'are' if len(strange) > 1 else 'is'} not in {series}"] if strange else []
    told += [f"it lacks {_listed(absent)}"] if absent and all_of else []
    raise ValueError(f"{whose} does not fit: {', and '.join(told)}")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(map(repr, names[:10])) + more
