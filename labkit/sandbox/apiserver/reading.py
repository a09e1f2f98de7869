"""GET of one object and of collections."""

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labkit.sandbox.apiserver import refusing, selectors, versions
from labkit.sandbox.apiserver.calls import Call, integer, is_true
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.store import Item

FUTURE_PATIENCE = 3.0
"""Seconds a list waits for a version that is not there yet."""

_TOKEN_VERSION = "meta.k8s.io/v1"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A list, or one page of it."""

    items: Sequence[Item]
    version: int
    """The version of the list as a whole."""

    token: str = ""
    """Continues the list."""

    remaining: int | None = None
    """How many items follow; None when the selectors make that costly to say."""


async def get(core: Core, call: Call) -> Item:
    """One object; 504 for a version that is not there in time."""
    text = call.query.get("resourceVersion")
    if text:
        try:
            asked = _number(text)
        except ValueError as e:
            raise refusing.internal(f"resourceVersion: {e}") from e
        await _until_there(core, asked)
    return core.find(call.served, call.namespace, call.name)


async def collection(core: Core, call: Call) -> Listing:
    """The objects that a query selects, in the order of their keys."""
    query = call.query
    matches = matcher(call)
    limit, token = max(integer(query.get("limit")) or 0, 0), query.get("continue", "")
    text, match = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
    if text == "0" and not token and call.served.strategy.collected:
        # From the server's memory, in which there are no pages; it keeps no events there.
        limit = 0
    if token and text and text != "0":
        raise refusing.bad_request("specifying resource version is not allowed when using continue")
    asked = version_of(text)
    table = core.store.table(call.served.key)
    version, start = core.store.version, ""
    if token:
        version, start = _decoded(token, core.store.version)
    elif match == "Exact" or (limit and asked and not match):
        version = asked
    else:
        await _until_there(core, asked)
        version = core.store.version
    if version > core.store.version:
        await _until_there(core, version)
    if version == core.store.version:
        items = list(table.items(call.namespace))
    else:
        earlier = table.items_at(version, call.namespace)
        if earlier is None:
            raise _too_old(token, version, table.floor)
        items = earlier
    if start:
        items = [item for item in items if _key(item) >= start]
    if matches is not selectors.everything:
        items = [item for item in items if matches(item.object)]
    shown = [versions.shown(item, call.served) for item in items]
    if not limit or len(shown) <= limit:
        return Listing(items=shown, version=version)
    rest = len(shown) - limit
    selective = matches is not selectors.everything
    following = _encoded(version, _key(shown[limit - 1]) + "\0")
    return Listing(items=shown[:limit], version=version, token=following, remaining=None if selective else rest)


def matcher(call: Call) -> selectors.Matcher:
    """What the query of a list or watch selects; refusals come in a real server's order."""
    for number in ("timeoutSeconds", "limit"):
        integer(call.query.get(number))
    selection = selectors.parse(call.query)
    check_options(call.query)
    return selectors.matcher(call.served, selection)


def check_options(query: Mapping[str, str]) -> None:
    """422 for options of a list or watch that contradict each other."""
    watch = is_true(query.get("watch"))
    match, version = query.get("resourceVersionMatch", ""), query.get("resourceVersion", "")
    initial = query.get("sendInitialEvents") if "sendInitialEvents" in query else None
    causes: list[tuple[str, str, str]] = []

    def forbid(field: str, text: str) -> None:
        causes.append(("FieldValueForbidden", f"Forbidden: {text}", field))

    if watch:
        if initial is not None and match != "NotOlderThan":
            forbid("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
        if match and initial is None:
            forbid(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
            )
        if match and initial is not None and match != "NotOlderThan":
            text = f'Unsupported value: "{match}": supported values: "NotOlderThan"'
            causes.append(("FieldValueNotSupported", text, "resourceVersionMatch"))
        if query.get("continue"):
            forbid("continue", "continue is forbidden for watch")
    else:
        if match:
            if query.get("continue"):
                forbid("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
            if not version:
                forbid("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided")
            if match not in ("Exact", "NotOlderThan"):
                text = f'Unsupported value: "{match}": supported values: "Exact", "NotOlderThan", ""'
                causes.append(("FieldValueNotSupported", text, "resourceVersionMatch"))
            if match == "Exact" and version == "0":
                forbid("resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
        if initial is not None:
            forbid("sendInitialEvents", "sendInitialEvents is forbidden for list")
    if causes:
        raise refusing.invalid_options(causes)


async def _until_there(core: Core, version: int) -> None:
    """Wait a little for a version of the future; versions only come with writes, so look now and then."""
    deadline = asyncio.get_running_loop().time() + FUTURE_PATIENCE
    while version > core.store.version:
        if asyncio.get_running_loop().time() > deadline:
            raise refusing.too_large_version(version, core.store.version)
        await asyncio.sleep(0.05)


def _number(text: str) -> int:
    problem = "" if text.isascii() and text.isdigit() else "invalid syntax"
    if not problem and int(text[:30]) >= 2**64:
        problem = "value out of range"
    if problem:
        shown = refusing.quoted(text)
        raise ValueError(f"Invalid value: {shown}: strconv.ParseUint: parsing {shown}: {problem}")
    return int(text)


def version_of(text: str, *, watch: bool = False) -> int:
    """A query's resourceVersion; 0 when absent."""
    try:
        return _number(text) if text else 0
    except ValueError as e:
        if watch:
            raise refusing.internal(f"resourceVersion: {e}") from e
        raise refusing.bad_request(f"invalid resource version: resourceVersion: {e}") from e


def _key(item: Item) -> str:
    metadata = item.object["metadata"]
    namespace = metadata.get("namespace", "")
    return f"{namespace}\x01{metadata['name']}" if namespace else str(metadata["name"])


def _encoded(version: int, start: str) -> str:
    text = json.dumps({"v": _TOKEN_VERSION, "rv": version, "start": start}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decoded(token: str, current: int) -> tuple[int, str]:
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as e:
        alphabet = re.match(r"[A-Za-z0-9_-]*", token)
        at = min(alphabet.end() if alphabet else 0, len(token) - len(token) % 4)
        problem = f"illegal base64 data at input byte {at}"
        raise refusing.bad_request(f"invalid continue token: continue key is not valid: {problem}") from e
    try:
        place = json.loads(text.decode("latin-1"))
        return int(place["rv"]) if int(place["rv"]) > 0 else current, str(place["start"])
    except KeyError as e:
        problem = f"incorrect encoded start resourceVersion (version {_TOKEN_VERSION})"
        raise refusing.bad_request(f"invalid continue token: continue key is not valid: {problem}") from e
    except (ValueError, TypeError) as e:
        problem = f"invalid character '{_shown(text[:1])}' looking for beginning of value"
        raise refusing.bad_request(f"invalid continue token: continue key is not valid: {problem}") from e


def _shown(byte: bytes) -> str:
    character = byte.decode("latin-1")
    return character if character.isprintable() else f"\\u{ord(character):04x}" if character else "EOF"


def _too_old(token: str, version: int, floor: int) -> Exception:
    if not token:
        return refusing.expired(f"too old resource version: {version} ({floor})")
    return refusing.expired(
        "The provided continue parameter is too old to display a consistent list result. You can start a new"
        " list without the continue parameter, or use the continue token in this response to retrieve the"
        " remainder of the results. Continuing with the provided token results in an inconsistent list -"
        " objects that were created, modified, or deleted between the time the first chunk was returned and"
        " now may show up in the list."
    )
