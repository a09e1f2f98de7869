"""What no record of the intermediate form may hold. Each record asks as it is made, so nothing invalid leaves a stage.

The API's schemas and istiod's webhook keep such values out of objects: what is met here came past them, or is a fault
of a stage. The compiler names the object (``mesh/blame.py``), and its last good configuration stays.
"""


class InvalidError(ValueError):
    """A record holds what no listener, route or upstream can have."""

    def __init__(self, record: object, field: str, *, must: str) -> None:
        super().__init__(f"{type(record).__name__}.{field} must {must} and is {getattr(record, field)!r}")


def require_not_negative(record: object, *fields: str) -> None:
    """Lengths of time, sizes and shares are 0 or more; None is no value."""
    for field in fields:
        value = getattr(record, field)
        if value is not None and not value >= 0:  # NaN is neither
            raise InvalidError(record, field, must="be 0 or more")


def require_port(record: object, field: str) -> None:
    """A port of TCP, or 0 for none."""
    if not 0 <= getattr(record, field) <= 65535:
        raise InvalidError(record, field, must="be a port")


def require_filled(record: object, *fields: str) -> None:
    """Texts and lists that may not be empty."""
    for field in fields:
        if not getattr(record, field):
            raise InvalidError(record, field, must="not be empty")


def require_one_of(record: object, field: str, *choices: object) -> None:
    """A word of a fixed set."""
    if getattr(record, field) not in choices:
        raise InvalidError(record, field, must=f"be one of {', '.join(map(repr, choices))}")


def require_percent(record: object, field: str) -> None:
    """A share between 0 and 100."""
    if not 0 <= getattr(record, field) <= 100:
        raise InvalidError(record, field, must="be between 0 and 100")


def require_status(record: object, field: str) -> None:
    """A status of HTTP, or 0 for none."""
    if getattr(record, field) and not 100 <= getattr(record, field) <= 599:
        raise InvalidError(record, field, must="be a status of HTTP")
