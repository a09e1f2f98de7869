"""Times in JSON: read as Go reads RFC 3339, written in UTC."""

import datetime
import re

SECONDS = "2006-01-02T15:04:05Z07:00"
MICROSECONDS = "2006-01-02T15:04:05.000000Z07:00"

# Go's layout piece by piece, each with what it takes.
_PIECES = [
    ("2006", r"\d{4}"),
    ("-", "-"),
    ("01", r"\d{2}"),
    ("-", "-"),
    ("02", r"\d{2}"),
    ("T", "T"),
    ("15", r"\d{1,2}"),
    (":", ":"),
    ("04", r"\d{2}"),
    (":", ":"),
    ("05", r"\d{2}(?:[.,]\d+)?"),
    ("Z07:00", r"Z|[-+]\d{2}:\d{2}"),
]
_WHOLE = re.compile("".join(f"({pattern})" for _, pattern in _PIECES) + "$")


def canonical(text: str, *, micro: bool = False) -> str:
    """``2026-01-02T04:04:05.5+01:00`` → ``2026-01-02T03:04:05Z``; ValueError with Go's wording."""
    layout = MICROSECONDS if micro else SECONDS
    match = _WHOLE.match(text)
    if not match:
        raise ValueError(_problem(text, layout))
    fraction = match[11][3:]
    if micro and len(fraction) < 6:
        rest = text[match.start(11) + 2 :]
        raise ValueError(f'parsing time "{text}" as "{layout}": cannot parse "{rest}" as ".000000"')
    if match[12] == "Z" and not micro and not fraction:
        _checked(text, text[:-1])
        return text
    moment = _checked(text, text[: match.start(11) + 2] + (f".{fraction[:6]:0<6}" if fraction else ""))
    if match[12] != "Z":
        sign = -1 if match[12][0] == "-" else 1
        hours, minutes = int(match[12][1:3]), int(match[12][4:])
        moment -= sign * datetime.timedelta(hours=hours, minutes=minutes)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{moment.microsecond:06d}" if micro else "") + "Z"


def _checked(text: str, naive: str) -> datetime.datetime:
    try:
        return datetime.datetime.fromisoformat(naive)
    except ValueError as e:
        part = "month" if "month" in str(e) else "day" if "day" in str(e) else str(e).split(" ", 1)[0]
        raise ValueError(f'parsing time "{text}": {part} out of range') from e


def _problem(text: str, layout: str) -> str:
    at = 0
    for piece, pattern in _PIECES:
        match = re.compile(pattern).match(text, at)
        if not match:
            return f'parsing time "{text}" as "{layout}": cannot parse "{text[at:]}" as "{piece}"'
        at = match.end()
    return f'parsing time "{text}": extra text: "{text[at:]}"'
