"""Sizes, durations, hours: `50M`, `90d`, `22:00-07:00`, and what people write for them."""

import re
from decimal import Decimal, InvalidOperation

from .remedies import NotInFormat

DAYS = {"d": 1, "w": 7, "y": 365}
SIZE_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}

# The largest file of ext4, and far more than anybody waits: every program can still count them.
_LARGEST_SIZE = 16384 * SIZE_UNITS["G"]
_MOST_MEMORY = 1024 * SIZE_UNITS["G"]
_LONGEST_DAYS = 1000 * DAYS["y"]

_QUANTITY = re.compile(r"([0-9]+(?:[.,][0-9]+)?(?:e\+?[0-9]{1,3})?) ?([a-z]*)", re.IGNORECASE)
_HOUR = "([01][0-9]|2[0-3]):([0-5][0-9])"
_ANY_HOUR = "([0-9]{1,2})(?:[:.]([0-9]{2}))? ?(am|pm)?"
_HOURS_OF_DAY = re.compile(rf"{_ANY_HOUR} ?(?:-|to|until) ?{_ANY_HOUR}")
_SIZE_WORDS = {
    "": 1,
    **dict.fromkeys(("b", "byte", "bytes"), 1),
    **dict.fromkeys(("k", "kb", "kib", "kilobytes"), 1024),
    **dict.fromkeys(("m", "mb", "mib", "meg", "megs", "megabytes"), 1024**2),
    **dict.fromkeys(("g", "gb", "gib", "gig", "gigs", "gigabytes"), 1024**3),
    **dict.fromkeys(("t", "tb", "tib", "terabytes"), 1024**4),
}
_HOURS = {
    **dict.fromkeys(("h", "hour", "hours"), 1),
    **dict.fromkeys(("", "d", "day", "days"), 24),
    **dict.fromkeys(("w", "week", "weeks"), 24 * 7),
    **dict.fromkeys(("y", "year", "years"), 24 * 365),
}


def parse_size(value: str) -> int:
    """The number of bytes that `50M` means."""
    match = re.fullmatch(r"([1-9][0-9]{0,12})([KMG]?)", value)
    if match is None:
        raise NotInFormat("is not a size", parse_size, near_sizes(value), "50M")
    size = int(match[1]) * SIZE_UNITS[match[2]]
    if size > _LARGEST_SIZE:
        raise ValueError("is larger than a file can be; write 16384G or less")
    return size


def check_memory(value: str) -> None:
    """A size of which PostgreSQL and Synapse can have a part of the memory."""
    try:
        size = parse_size(value)
    except ValueError:
        what = "is not a size of memory"
        raise NotInFormat(what, check_memory, near_sizes(value), "64M") from None
    if size < SIZE_UNITS["M"]:
        raise ValueError("is less than anything works with; write 1M or more, as in 64M")
    if size > _MOST_MEMORY:
        raise ValueError("is more than any machine has; write 1024G")


def parse_days(value: str) -> int:
    """The number of days that `90d`, `12w` or `1y` means."""
    match = re.fullmatch(r"([1-9][0-9]{0,5})([dwy])", value)
    if match is None:
        raise NotInFormat("is not a duration", parse_days, _near_durations(value), "90d")
    days = int(match[1]) * DAYS[match[2]]
    if days > _LONGEST_DAYS:
        raise ValueError("is longer than a thousand years; write 1000y or less")
    return days


def parse_hours(value: str) -> tuple[int, int]:
    """Begin and end of `22:00-07:00`, in minutes from midnight."""
    match = re.fullmatch(rf"{_HOUR}-{_HOUR}", value)
    if match is None:
        raise NotInFormat("is not hours of a day", parse_hours, _near_hours(value), "22:00-07:00")
    numbers = [int(one) for one in match.groups()]
    begin, end = numbers[0] * 60 + numbers[1], numbers[2] * 60 + numbers[3]
    if begin == end:
        raise ValueError("begins and ends at the same time; write other hours, as in 22:00-07:00")
    return begin, end


def _near_hours(value: str) -> list[str]:
    match = _HOURS_OF_DAY.fullmatch(value.strip().lower())
    if match is None:
        return []
    first, second = match.groups()[:3], match.groups()[3:]
    return [f"{_near_time(*first)}-{_near_time(*second)}"]


def _near_time(hour: str, minute: str | None, half: str | None) -> str:
    number = int(hour) % 12 + 12 * (half == "pm") if half else int(hour)
    return f"{number:02}:{minute or '00'}"


def near_sizes(value: str) -> list[str]:
    """Sizes that somebody may have meant who wrote this."""
    count, unit = _quantity(value)
    if unit not in _SIZE_WORDS or count is None:
        return []
    return _in_units(count * _SIZE_WORDS[unit], {"G": 1024**3, "M": 1024**2, "K": 1024, "": 1})


def _near_durations(value: str) -> list[str]:
    count, unit = _quantity(value)
    if unit not in _HOURS or count is None:
        return []
    asked = {"w": 24 * 7} if unit[:1] == "w" else {"y": 24 * 365} if unit[:1] == "y" else {}
    return _in_units(count * _HOURS[unit], {**asked, "d": 24})


def _quantity(value: str) -> tuple[Decimal | None, str]:
    match = _QUANTITY.fullmatch(value.strip())
    if match is None:
        return None, ""
    try:
        return Decimal(match[1].replace(",", ".")), match[2].lower()
    except InvalidOperation:
        return None, ""


def _in_units(amount: Decimal, units: dict[str, int]) -> list[str]:
    """A whole number of the largest unit that gives one."""
    counts = ((amount / size, unit) for unit, size in units.items())
    return [f"{int(count)}{unit}" for count, unit in counts if count == int(count)]
