"""The functions that Kubernetes adds to CEL, as a table; what a type of theirs holds travels as a tagged map.

https://kubernetes.io/docs/reference/using-api/cel/#cel-options-language-features-and-libraries
"""

import ipaddress
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from labkit.sandbox.apiserver.objects import quantities
from labkit.sandbox.apiserver.objects.cel import authorizers, texts
from labkit.sandbox.apiserver.objects.cel.declared import Kind

OPAQUE: Mapping[Any, str] = {
    "quantity": "kubernetes.Quantity",
    "url": "kubernetes.URL",
    "ip": "net.IP",
    "cidr": "net.CIDR",
    "authorizer": "kubernetes.authorization.Authorizer",
    "pathcheck": "kubernetes.authorization.PathCheck",
    "groupcheck": "kubernetes.authorization.GroupCheck",
    "resourcecheck": "kubernetes.authorization.ResourceCheck",
    "decision": "kubernetes.authorization.Decision",
}
"""Kind → its name in messages."""

TAG = authorizers.TAG
"""The key that marks a value of such a kind; no field can have this name."""


@dataclass(frozen=True, kw_only=True)
class Function:
    """One overload."""

    parameters: tuple[Kind, ...]
    returns: Kind
    is_member: bool
    run: Callable[..., Any]


@cache
def by_name() -> Mapping[str, tuple[Function, ...]]:
    """Every function, by name."""
    groups: dict[str, list[Function]] = {}
    parts = (_lists, _texts, _sets, _regexes, _quantities, _urls, _addresses, _rights)
    for name, function in itertools.chain.from_iterable(part() for part in parts):
        groups.setdefault(name, []).append(function)
    return {name: tuple(group) for name, group in groups.items()}


_Named = tuple[str, Function]


def _member(name: str, run: Callable[..., Any], returns: Kind, *parameters: Kind) -> _Named:
    return name, Function(parameters=parameters, returns=returns, is_member=True, run=run)


def _global(name: str, run: Callable[..., Any], returns: Kind, *parameters: Kind) -> _Named:
    return name, Function(parameters=parameters, returns=returns, is_member=False, run=run)


_LIST: Kind = ("list", "dyn")


def _lists() -> Iterator[_Named]:
    yield _member("isSorted", lambda items: all(a <= b for a, b in itertools.pairwise(items)), "bool", _LIST)
    yield _member("sum", lambda items: sum(items) if items else 0, "dyn", _LIST)
    yield _member("min", lambda items: _least(items, min), "dyn", _LIST)
    yield _member("max", lambda items: _least(items, max), "dyn", _LIST)
    yield _member("indexOf", lambda items, one: items.index(one) if one in items else -1, "int", _LIST, "dyn")
    yield _member("lastIndexOf", _last_index, "int", _LIST, "dyn")
    yield _member(
        "distinct", lambda items: [one for at, one in enumerate(items) if one not in items[:at]], _LIST, _LIST
    )
    yield _member("slice", lambda items, start, end: items[start:end], _LIST, _LIST, "int", "int")
    yield _member(
        "flatten",
        lambda items: [inner for one in items for inner in (one if isinstance(one, list) else [one])],
        _LIST,
        _LIST,
    )
    yield _member("sort", sorted, _LIST, _LIST)


def _least(items: list[Any], choose: Callable[[list[Any]], Any]) -> Any:
    if not items:
        raise ValueError(f"{choose.__name__} called on empty list")
    return choose(items)


def _last_index(items: list[Any], one: Any) -> int:
    return max((at for at, item in enumerate(items) if item == one), default=-1)


def _texts() -> Iterator[_Named]:
    text: Kind = "string"
    yield _member("charAt", texts.char_at, text, text, "int")
    for name, run in (("indexOf", texts.index_of), ("lastIndexOf", texts.last_index_of)):
        yield _member(name, run, "int", text, text)
        yield _member(name, run, "int", text, text, "int")
    yield _member("join", "".join, text, ("list", text))
    yield _member("join", lambda items, mark: mark.join(items), text, ("list", text), text)
    yield _member("lowerAscii", texts.ascii_case(str.lower), text, text)
    yield _member("upperAscii", texts.ascii_case(str.upper), text, text)
    yield _member("replace", texts.replaced, text, text, text, text)
    yield _member("replace", texts.replaced, text, text, text, text, "int")
    yield _member("split", texts.split, ("list", text), text, text)
    yield _member("split", texts.split, ("list", text), text, text, "int")
    yield _member("substring", texts.substring, text, text, "int")
    yield _member("substring", texts.substring, text, text, "int", "int")
    yield _member("trim", str.strip, text, text)
    yield _member("reverse", lambda one: one[::-1], text, text)
    yield _member("format", texts.formatted, text, text, _LIST)
    yield _global("strings.quote", texts.quoted, text, text)


def _sets() -> Iterator[_Named]:
    def contains(items: list[Any], others: list[Any]) -> bool:
        return all(one in items for one in others)

    yield _global("sets.contains", contains, "bool", _LIST, _LIST)
    yield _global("sets.equivalent", lambda a, b: contains(a, b) and contains(b, a), "bool", _LIST, _LIST)
    yield _global("sets.intersects", lambda a, b: any(one in b for one in a), "bool", _LIST, _LIST)


def _regexes() -> Iterator[_Named]:
    yield _member("find", lambda text, pattern: (_all(text, pattern) or [""])[0], "string", "string", "string")
    yield _member("findAll", _all, ("list", "string"), "string", "string")
    yield _member(
        "findAll", lambda text, pattern, most: _all(text, pattern)[:most], ("list", "string"), "string", "string", "int"
    )


def _all(text: str, pattern: str) -> list[str]:
    return [match.group() for match in re.finditer(pattern, text)]


def _tagged(kind: str, value: str) -> dict[str, str]:
    return {TAG: kind, "value": value}


def _text_of(value: Mapping[str, Any], kind: str) -> str:
    if not isinstance(value, Mapping) or value.get(TAG) != kind:
        raise ValueError("no such overload")
    return str(value["value"])


def _is(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return check


def _quantity(text: str) -> dict[str, str]:
    quantities.parse(text)
    return _tagged("quantity", text)


def _amount(value: Any) -> Any:
    return value if isinstance(value, int) else quantities.parse(_text_of(value, "quantity")).value


def _sum(one: Any, other: Any, sign: int) -> dict[str, str]:
    style = quantities.parse(_text_of(one, "quantity")).style
    return _tagged("quantity", str(quantities.Quantity(_amount(one) + sign * _amount(other), style)))


def _quantities() -> Iterator[_Named]:
    yield _global("quantity", _quantity, "quantity", "string")
    yield _global("isQuantity", _is(quantities.parse), "bool", "string")
    yield _member("sign", lambda q: (_amount(q) > 0) - (_amount(q) < 0), "int", "quantity")
    yield _member("isInteger", lambda q: _amount(q).denominator == 1, "bool", "quantity")
    yield _member("asInteger", lambda q: int(_amount(q)), "int", "quantity")
    yield _member("asApproximateFloat", lambda q: float(_amount(q)), "double", "quantity")
    yield _member("isGreaterThan", lambda a, b: _amount(a) > _amount(b), "bool", "quantity", "quantity")
    yield _member("isLessThan", lambda a, b: _amount(a) < _amount(b), "bool", "quantity", "quantity")
    yield _member(
        "compareTo", lambda a, b: (_amount(a) > _amount(b)) - (_amount(a) < _amount(b)), "int", "quantity", "quantity"
    )
    for other in ("quantity", "int"):
        yield _member("add", lambda a, b: _sum(a, b, 1), "quantity", "quantity", other)
        yield _member("sub", lambda a, b: _sum(a, b, -1), "quantity", "quantity", other)


def _parsed_url(text: str) -> SplitResult:
    parts = urlsplit(text)
    if not (parts.scheme or text.startswith("/")):
        raise ValueError(f'URL parse error during conversion from string: parse "{text}": invalid URI for request')
    return parts


def _url(text: str) -> dict[str, str]:
    _parsed_url(text)
    return _tagged("url", text)


def _urls() -> Iterator[_Named]:
    def part(name: str, read: Callable[[SplitResult], Any], returns: Kind = "string") -> _Named:
        return _member(name, lambda url: read(urlsplit(_text_of(url, "url"))), returns, "url")

    yield _global("url", _url, "url", "string")
    yield _global("isURL", _is(_parsed_url), "bool", "string")
    yield part("getScheme", lambda url: url.scheme)
    yield part("getHost", lambda url: url.netloc.rpartition("@")[2])
    yield part("getHostname", lambda url: url.hostname or "")
    yield part("getPort", lambda url: str(url.port or ""))
    yield part("getEscapedPath", lambda url: url.path)
    yield part("getQuery", lambda url: parse_qs(url.query, keep_blank_values=True), ("map", ("list", "string")))


def _ip(text: str) -> dict[str, str]:
    return _tagged("ip", str(ipaddress.ip_address(text)))


def _cidr(text: str) -> dict[str, str]:
    address, _, length = text.partition("/")
    if not length.isdigit():
        raise ValueError(
            f"network address parse error during conversion from string: netip.ParsePrefix(\"{text}\"): no '/'"
        )
    return _tagged("cidr", f"{ipaddress.ip_address(address)}/{ipaddress.ip_interface(text).network.prefixlen}")


def _network(value: Any) -> Any:
    text = value if isinstance(value, str) else _text_of(value, "cidr")
    return ipaddress.ip_interface(text).network


def _address(value: Any) -> Any:
    return ipaddress.ip_address(value if isinstance(value, str) else _text_of(value, "ip"))


def _holds_network(outer: Any, inner: Any) -> bool:
    one, other = _network(outer), _network(inner)
    return bool(one.version == other.version and other.subnet_of(one))


def _addresses() -> Iterator[_Named]:
    def trait(name: str, read: Callable[[Any], bool]) -> _Named:
        return _member(name, lambda ip: read(_address(ip)), "bool", "ip")

    yield _global("ip", _ip, "ip", "string")
    yield _global("isIP", _is(ipaddress.ip_address), "bool", "string")
    yield _global("ip.isCanonical", lambda text: str(ipaddress.ip_address(text)) == text, "bool", "string")
    yield _member("family", lambda ip: _address(ip).version, "int", "ip")
    yield trait("isUnspecified", lambda ip: ip.is_unspecified)
    yield trait("isLoopback", lambda ip: ip.is_loopback)
    yield trait("isLinkLocalMulticast", lambda ip: ip.is_multicast and ip in ipaddress.ip_network("224.0.0.0/24"))
    yield trait("isLinkLocalUnicast", lambda ip: ip.is_link_local)
    yield trait(
        "isGlobalUnicast", lambda ip: not (ip.is_unspecified or ip.is_loopback or ip.is_multicast or ip.is_link_local)
    )
    yield _global("cidr", _cidr, "cidr", "string")
    yield _global("isCIDR", _is(_cidr), "bool", "string")
    for inner in ("string", "ip"):
        yield _member("containsIP", lambda net, ip: _address(ip) in _network(net), "bool", "cidr", inner)
    for inner in ("string", "cidr"):
        yield _member("containsCIDR", _holds_network, "bool", "cidr", inner)
    yield _member("ip", lambda net: _ip(_text_of(net, "cidr").partition("/")[0]), "ip", "cidr")
    yield _member("masked", lambda net: _tagged("cidr", str(_network(net))), "cidr", "cidr")
    yield _member("prefixLength", lambda net: _network(net).prefixlen, "int", "cidr")


def _rights() -> Iterator[_Named]:
    yield _member("serviceAccount", authorizers.account_of, "authorizer", "authorizer", "string", "string")
    yield _member("path", authorizers.path_of, "pathcheck", "authorizer", "string")
    yield _member("group", authorizers.group_of, "groupcheck", "authorizer", "string")
    yield _member("resource", authorizers.resource_of, "resourcecheck", "groupcheck", "string")
    for name in ("subresource", "namespace", "name", "fieldSelector", "labelSelector"):
        yield _member(name, authorizers.narrowed(name), "resourcecheck", "resourcecheck", "string")
    for kind in ("pathcheck", "resourcecheck"):
        yield _member("check", authorizers.check, "decision", kind, "string")
    yield _member("allowed", lambda decision: decision["allowed"], "bool", "decision")
    yield _member("reason", lambda decision: decision["reason"], "string", "decision")
    yield _member("errored", lambda _: False, "bool", "decision")
    yield _member("error", lambda _: "", "string", "decision")
