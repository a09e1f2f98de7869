"""One thing wrong with one field, worded as a real server words it."""

from typing import NamedTuple


class Cause(NamedTuple):
    """An entry of ``details.causes``."""

    reason: str
    """``FieldValueInvalid``, ``FieldValueRequired``, …"""

    message: str
    """``Required value``, without the field."""

    field: str
    """``spec.template.spec.containers[0].image``."""
