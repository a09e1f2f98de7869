"""The form of an entry in the table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Unless:
    """A field that is carried out with some values only."""

    values: tuple[Any, ...]
    """Values that the sandbox honours; the server's own default is one of them."""

    reason: str
    """Why any other value has no effect."""


@dataclass(frozen=True, kw_only=True)
class Except:
    """A field whose value is a map, of which only some keys are carried out."""

    keys: tuple[str, ...]
    reason: str
    """Why the others have no effect."""


Entry = str | Unless | Except
"""Why a field has no effect, as the end of the sentence ``spec.hostNetwork has no effect: …``."""


@dataclass(frozen=True, kw_only=True)
class Fields:
    """Every field of one Go struct."""

    carried_out: str = ""
    """Names of fields that work as on a real cluster, separated by blanks."""

    moot: str = ""
    """Names of fields that make no difference on the sandbox's one node, so that there is nothing to say of them."""

    without_effect: Mapping[str, Entry] = field(default_factory=dict)
    """The other fields, and why."""

    @property
    def names(self) -> set[str]:
        """All the fields that the table speaks of."""
        return {*self.carried_out.split(), *self.moot.split(), *self.without_effect}
