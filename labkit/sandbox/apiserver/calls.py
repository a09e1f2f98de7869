"""One request to a resource, as understood: who, which verb on what, with which options."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import refusing
from labkit.sandbox.apiserver.objects import gojson, patches
from labkit.sandbox.apiserver.registry import Served
from labkit.sandbox.apiserver.users import User

LEVELS = ("Ignore", "Strict", "Warn")
LONGEST_MANAGER = 128

_OPTIONS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}


@dataclass(kw_only=True)
class Call:
    """A request, authenticated and authorised; ``warnings`` grows while it is served."""

    verb: str
    served: Served
    user: User
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Object = b""
    """What was sent; an object that needs no parsing when the call comes from this process."""

    content_type: str = "application/json"
    agent: str = ""
    """The User-Agent, whose first word is the default field manager."""

    warnings: list[str] = field(default_factory=list)
    """Texts of Warning headers."""

    @property
    def dry_run(self) -> bool:
        """Whether nothing is to be stored."""
        return bool(self.query.get("dryRun"))

    @property
    def level(self) -> str:
        """How strictly bodies are read."""
        return self.query.get("fieldValidation") or "Warn"

    @property
    def manager(self) -> str:
        """The field manager of a write."""
        return self.query.get("fieldManager") or _printable(self.agent.partition("/")[0]) or "unknown"

    def check_options(self) -> None:
        """422 for options of a write that mean nothing."""
        kind = _OPTIONS.get(self.verb)
        if kind is None:
            return
        causes = [*self._force(), *self._manager(), *self._dry_run(), *self._level()]
        if causes:
            raise refusing.invalid_options(causes, kind)

    def _force(self) -> list[tuple[str, str, str]]:
        """What goes with an apply alone, and what every apply needs."""
        content_type = self.content_type.partition(";")[0].strip()
        if self.verb != "patch" or content_type not in patches.CONTENT_TYPES:
            return []
        if content_type != patches.APPLY and "force" in self.query:
            return [("FieldValueForbidden", "Forbidden: may not be specified for non-apply patch", "force")]
        if content_type == patches.APPLY and not self.query.get("fieldManager"):
            return [("FieldValueRequired", "Required value: is required for apply patch", "fieldManager")]
        return []

    def _dry_run(self) -> list[tuple[str, str, str]]:
        if "dryRun" not in self.query or self.query["dryRun"] == "All":
            return []
        text = f'Unsupported value: ["{self.query["dryRun"]}"]: supported values: "All"'
        return [("FieldValueNotSupported", text, "dryRun")]

    def _manager(self) -> list[tuple[str, str, str]]:
        manager = self.query.get("fieldManager", "")
        if len(manager.encode()) > LONGEST_MANAGER:
            text = f"Too long: may not be more than {LONGEST_MANAGER} bytes"
            return [("FieldValueTooLong", text, "fieldManager")]
        for at, c in enumerate(manager):
            if not c.isprintable():
                shown = refusing.quoted(manager)
                text = f"Invalid value: {shown}: invalid character U+{ord(c):04X} (at position {at})"
                return [("FieldValueInvalid", text, "fieldManager")]
        return []

    def _level(self) -> list[tuple[str, str, str]]:
        level = self.query.get("fieldValidation", "")
        if not level or level in LEVELS:
            return []
        names = ", ".join(f'"{name}"' for name in ("", *LEVELS))
        text = f'Unsupported value: "{level}": supported values: {names}'
        return [("FieldValueNotSupported", text, "fieldValidation")]


def _printable(text: str) -> str:
    """The printable start of a client's name that fits into a field manager."""
    shown = "".join(c for c in gojson.valid(text) if c.isprintable())
    return shown.encode()[:LONGEST_MANAGER].decode(errors="ignore")


def is_true(text: str | None) -> bool:
    """A boolean of a query: only an absent one, ``0`` and ``false`` are false."""
    return text is not None and text.lower() not in ("0", "false")


def integer(text: str | None) -> int | None:
    """An integer of a query; 400 for other text, None when absent or empty."""
    if not text:
        return None
    problem = "" if re.fullmatch(r"[-+]?[0-9]+", text, re.ASCII) else "invalid syntax"
    if not problem and not -(2**63) <= int(text[:30]) < 2**63:
        problem = "value out of range"
    if problem:
        raise refusing.bad_request(f"strconv.ParseInt: parsing {refusing.quoted(text)}: {problem}")
    return int(text)


def timestamp(later: float = 0) -> str:
    """Now, or some seconds later, as Kubernetes writes times: ``2026-11-24T10:00:00Z``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + later))


def empty(value: Any) -> bool:
    """Whether a part of an object says nothing."""
    return value is None or value in ({}, [], "")
