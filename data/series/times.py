"""The times of a series: dates read by what the whole column allows, and rows put on a grid of even steps."""

from typing import Any

import numpy as np

_DAY = 86_400_000_000_000  # nanoseconds
_DIGITS = {8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_EPOCHS = {10: "s", 13: "ms", 16: "us", 19: "ns"}
_SLACK = 0.05  # of a step, by which a row may be early or late
_SPARSEST = 4  # steps of a grid for each row


def read_times(values: Any, name: str, day_first: bool | None, zone: str | None) -> tuple[np.ndarray, list[str]]:
    """Times as datetime64[ns] in UTC (or as they stand, where no zone is known), or numbers as float64.

    Args:
        day_first: whether 01/02 is the first of February; by default the whole column decides.
        zone: where the clocks hang whose times carry no offset, such as Europe/Berlin.

    Raises:
        ValueError: a field that is no time, dates that could be read either way, or an unknown zone.
    """
    import pandas

    notes: list[str] = []
    if pandas.api.types.is_numeric_dtype(values):
        numbers = values.to_numpy(dtype=np.float64)
        times = _written_as_number(numbers)
        if times is None:
            return numbers, notes
    elif values.dtype.kind == "M":
        times = values
    else:
        texts = values.astype("str").str.strip()
        if day_first is None:
            day_first, notes = _which_first(texts, name)
        times = _parsed(texts, bool(day_first), name)
    if getattr(times.dt, "tz", None) is not None:
        times = times.dt.tz_convert("UTC").dt.tz_localize(None)
    elif zone is not None:
        times = _localized(times, zone, name)
    return times.to_numpy().astype("datetime64[ns]"), notes


def _written_as_number(numbers: np.ndarray) -> Any:
    """Times from 20171130, 201711302359 or seconds since 1970, or None where the numbers are none."""
    import pandas

    if not np.isfinite(numbers).all() or (numbers != np.round(numbers)).any() or numbers.min() < 0:
        return None
    texts = pandas.Series(numbers.astype(np.int64).astype(str))
    widths = set(texts.str.len())
    if len(widths) != 1:
        return None
    width = widths.pop()
    if width in _DIGITS:
        times = pandas.to_datetime(texts, format=_DIGITS[width], errors="coerce")
        if times.notna().all() and times.dt.year.between(1800, 2200).all():
            return times
    return pandas.to_datetime(numbers.astype(np.int64), unit=_EPOCHS[width]).to_series() if width in _EPOCHS else None


def _which_first(texts: Any, name: str) -> tuple[bool, list[str]]:
    parts = texts.str.extract(r"^(\d{1,2})([./-])(\d{1,2})\2\d{2,4}\b")
    if parts.isna().any(axis=None):
        return False, []
    first, second = parts[0].astype(int), parts[2].astype(int)
    example = texts.iloc[0]
    if (first > 12).any() and (second > 12).any():
        at = int((second > 12).to_numpy().argmax())
        raise ValueError(f"{name} has dates with the day first and with the month first, such as {texts.iloc[at]!r}")
    if (first > 12).any() or (second > 12).any():
        day_first = bool((first > 12).any())
    else:
        even = [_is_even(_parsed(texts, day_first, name)) for day_first in (True, False)]
        if even[0] == even[1] and parts[1].iloc[0] != ".":
            raise ValueError(
                f"{name} has dates such as {example!r}, which may be day first or month first: give --day-first or "
                "--month-first"
            )
        day_first = even[0] or even[0] == even[1]  # with points, the day is first
    return day_first, [f"{name}: dates such as {example!r} are read with the {'day' if day_first else 'month'} first"]


def _parsed(texts: Any, day_first: bool, name: str) -> Any:
    import pandas

    zoned = bool(texts.str.contains(r"\d(?:Z|[+-]\d\d:?\d\d)$", regex=True).any())
    for form in ("ISO8601", "mixed"):
        try:
            return pandas.to_datetime(texts, format=form, dayfirst=day_first, utc=zoned)
        except (ValueError, OverflowError):  # the second try is for all other forms
            continue
    for text in texts:
        try:
            pandas.to_datetime(text, dayfirst=day_first)
        except (ValueError, OverflowError):
            raise ValueError(f"{name} holds {text[:40]!r} in place of a time") from None
    raise ValueError(f"{name} holds times of several forms: {texts.iloc[0]!r} and others")


def _localized(times: Any, zone: str, name: str) -> Any:
    """Local times in UTC; of the hour that comes twice a year, the second is the later one."""
    backwards = len(times) > 1 and times.iloc[0] > times.iloc[-1]
    ordered = times[::-1] if backwards else times
    for ambiguous in ("infer", np.ones(len(times), dtype=bool)):
        try:
            local = ordered.dt.tz_localize(zone, ambiguous=ambiguous, nonexistent="shift_forward")
        except ValueError as error:
            if "dst" not in str(error).lower() and "ambiguous" not in str(error).lower():
                raise ValueError(f"{name}: timezone expects a name such as Europe/Berlin: {error}") from None
            continue
        except Exception:  # an unknown zone is a KeyError, or of the package that knows them
            raise ValueError(f"timezone expects a name such as Europe/Berlin, got {zone!r}") from None
        utc = local.dt.tz_convert("UTC").dt.tz_localize(None)
        return utc[::-1] if backwards else utc
    raise ValueError(f"{name}: the hour that comes twice cannot be told in {zone}")


def _is_even(times: Any) -> bool:
    try:
        grid = _grid(np.unique(times.to_numpy().astype("datetime64[ns]")))
    except ValueError:
        return False
    return len(grid) > 1 and bool((np.diff(grid) == 1).all())


def on_a_grid(
    times: np.ndarray, name: str, every: str | float | None = None
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Which step of an even grid each row belongs to, the times of all steps of the grid, and what was decided.

    Steps of months keep the day of the month. A row may be 5 % of a step early or late.

    Args:
        every: the length of a step ("1h", "15min", or a number), into which rows are gathered; found out by default.

    Raises:
        ValueError: the steps are uneven, or hardly any step of the grid has a row.
    """
    notes = []
    if every is not None:
        times = _floored(times, every)
        notes.append(f"{name}: rows are gathered into steps of {every}")
    unique, inverse = np.unique(times, return_inverse=True)
    try:
        place = _grid(unique, None if every is None else _length(every, times))
    except ValueError as error:
        raise ValueError(f"{name} has uneven steps: {error}") from None
    if (np.diff(times.astype(np.float64)) < 0).any():
        notes.append(f"{name}: rows are sorted by time")
    grid = unique
    missing = int(place[-1]) + 1 - len(unique)
    if missing:
        at = int((np.diff(place) > 1).argmax())
        gap = f"the first between {_shown(unique[at])} and {_shown(unique[at + 1])}"
        notes.append(f"{name}: {missing} of {place[-1] + 1} steps have no row, {gap}: they are missing values")
        grid = np.interp(np.arange(place[-1] + 1), place, unique.astype(np.float64))
        grid = grid.round().astype(np.int64).view("datetime64[ns]") if unique.dtype.kind == "M" else grid
    return place[inverse], grid, notes


def _grid(unique: np.ndarray, step: float | None = None) -> np.ndarray:
    """The number of the step of each of some sorted times, counted from the first."""
    if len(unique) < 2:
        return np.zeros(len(unique), dtype=np.int64)
    gaps = np.diff(unique).astype(np.float64)
    if step is None:
        months = _months(unique) if unique.dtype.kind == "M" and np.median(gaps) >= 27 * _DAY else None
        if months is not None:
            return months
        lengths, counts = np.unique(gaps, return_counts=True)
        step = float(lengths[counts.argmax()])
        if counts.max() == 1:
            step = float(np.median(gaps))
    steps = np.round(gaps / step)
    wrong = (np.abs(gaps / step - steps) > _SLACK) | (steps < 1)
    place = np.concatenate([[0], steps.cumsum()])
    if wrong.any() or place[-1] >= _SPARSEST * len(unique) + 100:
        at = int(wrong.argmax() if wrong.any() else gaps.argmax())
        length = _length_shown(step, unique)
        raise ValueError(
            f"{_shown(unique[at])} is followed by {_shown(unique[at + 1])}, most steps are {length}: "
            f"give --every, such as --every {length}, to gather rows into even ones"
        )
    return place.astype(np.int64)


def _months(unique: np.ndarray) -> np.ndarray | None:
    """Numbers of steps of one or more months, where all times are of the same day of a month, or of its last."""
    months = unique.astype("datetime64[M]")
    day = (unique - months.astype("datetime64[ns]")).astype(np.int64)
    left = ((months + 1).astype("datetime64[ns]") - unique).astype(np.int64)
    if len(set(day)) > 1 and len(set(left)) > 1:
        return None
    number = months.astype(np.int64)
    return (number - number[0]) // np.gcd.reduce(np.diff(number))


def times_after(times: np.ndarray, count: int) -> np.ndarray:
    """The next times of a series of even steps; months keep their day, or their end."""
    unique = times.dtype.kind == "M"
    if len(times) < 2:
        return times[-1:].repeat(count) if not unique else times[-1] + np.arange(1, count + 1) * np.timedelta64(1, "D")
    step = np.median(np.diff(times).astype(np.float64))
    months = _months(times) if unique and step >= 27 * _DAY else None
    if months is None:
        ahead = np.arange(1, count + 1) * step
        return times[-1] + (ahead.round().astype("timedelta64[ns]") if unique else ahead)
    stride = int(np.median(np.diff(times.astype("datetime64[M]").astype(np.int64))))
    month = times[-1].astype("datetime64[M]") + stride * np.arange(count + 1)
    day = times[-1] - month[0].astype("datetime64[ns]")
    at_end = len(set((times - times.astype("datetime64[M]")).astype(np.int64))) > 1
    left = (month[0] + 1).astype("datetime64[ns]") - times[-1]
    return ((month[1:] + 1).astype("datetime64[ns]") - left) if at_end else month[1:].astype("datetime64[ns]") + day


def shown_times(times: np.ndarray, zone: str | None = None) -> list[str]:
    """Times in words: dates alone where all are at midnight, in a zone with their offset, numbers as they are."""
    import pandas

    if times.dtype.kind != "M":
        return [f"{time:.12g}" for time in times]
    index = pandas.DatetimeIndex(times)
    if zone is not None:
        return [str(time) for time in index.tz_localize("UTC").tz_convert(zone)]
    return [str(time.date()) if (index == index.normalize()).all() else str(time) for time in index]


def place_of(at: str, times: np.ndarray | None, steps: int, zone: str | None = None) -> int:
    """How many of the steps of a series there are up to and with the time `at`, or the number of a step.

    Raises:
        ValueError: it is no time, or lies outside the series.
    """
    import pandas

    try:
        if times is None or times.dtype.kind != "M":
            count = int(at) if times is None else int((times <= float(at)).sum())
            last: Any = steps if times is None else times[-1]
            inside = 0 < count <= steps if times is None else times[0] <= float(at) <= times[-1]
        else:
            moment = pandas.Timestamp(at)
            if moment.tzinfo is None and zone is not None:
                moment = moment.tz_localize(zone)
            if moment.tzinfo is not None:
                moment = moment.tz_convert("UTC").tz_localize(None)
            count, last = int((times <= moment.to_datetime64()).sum()), shown_times(times[-1:], zone)[0]
            inside = count > 0 and moment.to_datetime64() <= times[-1]
    except (ValueError, OverflowError) as error:
        raise ValueError(f"at expects a time of the series, got {at!r}: {error}") from None
    if not inside:
        first = 1 if times is None else shown_times(times[:1], zone)[0]
        raise ValueError(f"at expects a time from {first} to {last}, got {at}")
    return count


def _length(every: str | float, times: np.ndarray) -> float:
    import pandas

    try:
        length = pandas.Timedelta(every).value if times.dtype.kind == "M" else float(every)
    except (ValueError, TypeError):
        length = 0
    if not length > 0:
        raise ValueError(f"every expects the length of a step, such as 1h or 15min, got {every!r}")
    return float(length)


def _floored(times: np.ndarray, every: str | float) -> np.ndarray:
    length = _length(every, times)
    if times.dtype.kind != "M":
        return np.floor(times / length) * length
    return ((times.astype(np.int64) // int(length)) * int(length)).view("datetime64[ns]")


def _shown(time: Any) -> str:
    import pandas

    return str(pandas.Timestamp(time)) if isinstance(time, np.datetime64) else f"{time:g}"


def _length_shown(step: float, times: np.ndarray) -> str:
    if times.dtype.kind != "M":
        return f"{step:g}"
    for unit, size in (("D", _DAY), ("h", _DAY // 24), ("min", _DAY // 1440), ("s", 10**9), ("ms", 10**6)):
        if step >= size and step % size == 0:
            return f"{step / size:g}{unit}"
    return f"{step / 1e9:g}s"
