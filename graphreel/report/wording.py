"""Numbers in words that read well in a terminal and on a page alike; a question's page has them as filters."""

_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power(value: float) -> str:
    """`0`, `0.42`, `123` or `4.4 · 10⁻¹⁶`."""
    if value == 0:
        return "0"
    if 0.01 <= abs(value) < 1000:
        return f"{value:.3g}"
    mantissa, _, exponent = f"{value:.1e}".partition("e")
    return f"{mantissa} · 10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def fixed(value: float, digits: int = 2) -> str:
    """`−0.42`."""
    return f"{value:.{digits}f}".replace("-", "−")


def share(value: float) -> str:
    """`66.7 %`."""
    return f"{100 * value:.1f} %"


def grouped(value: int) -> str:
    """`336,000`."""
    return f"{value:,}"


def as_time(seconds: float) -> str:
    """`7 s`, `2 min 05 s` or `3 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if seconds >= 1 else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def many(count: int, what: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{count} {what}{'s'[: count != 1]}"


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    words = list(map(str, words))
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def verbatim(text: str) -> str:
    """A cell of a Markdown table that shows a text as it is."""
    fence = "`"
    while fence in text:
        fence += "`"
    pad = " " if text[:1] in ("`", " ") or text[-1:] in ("`", " ") else ""
    return f"{fence}{pad}{text}{pad}{fence}".replace("|", "\\|")


FILTERS = {one.__name__: one for one in (power, fixed, share, grouped, many, listed, verbatim)} | {"time": as_time}
