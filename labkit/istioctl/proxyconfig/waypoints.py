"""The table of a waypoint's listeners: chains are told apart by a tree of address, port and protocol. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from labkit.istioctl.proxyconfig.summaries import Row, use

LISTENER = ("LISTENER", "CHAIN", "MATCH", "DESTINATION")
ALL, ANY = "ALL", "ANY"


def listener_rows(listeners: Sequence[Any]) -> list[Row]:
    """One for each way into a filter chain."""
    rows: list[Row] = []
    for listener in listeners:
        name = _name(listener)
        matches = dict[str, list[str]]()
        for chain, match in _matches(listener):
            matches.setdefault(chain, []).append(match)
        for chain in listener.get("filter_chains", []):
            own = chain.get("name", "")
            rows += [(name, own, match, use(chain)) for match in matches.get(own, [ALL])]
    return sorted(rows, key=lambda row: (row[0] == "", row[0]))


def _name(listener: Any) -> str:
    """``envoy://main_internal`` for one inside the Envoy; nothing for what its bootstrap brings."""
    if "internal_listener" in listener:
        return f"envoy://{listener['name']}"
    return str(listener.get("name", "")) if "connection_balance_config" in listener else ""


def _matches(listener: Any) -> Iterator[tuple[str, str]]:
    """(chain, what leads to it)."""
    tree = (listener.get("filter_chain_matcher") or {}).get("matcher_tree") or {}
    for entry in ((tree.get("custom_match") or {}).get("typed_config") or {}).get("range_matchers", []):
        addresses = ",".join(_address(r) for r in entry.get("ranges", []))
        yield from _leaves(entry["on_match"], f"ip={addresses}")


def _leaves(branch: Any, path: str) -> Iterator[tuple[str, str]]:
    if "action" in branch:
        yield str(branch["action"]["name"]), path
        return
    matcher = branch.get("matcher") or {}
    tree = matcher.get("matcher_tree") or {}
    name = (tree.get("input") or {}).get("name", "")
    for value, below in ((tree.get("exact_match_map") or {}).get("map") or {}).items():
        yield from _leaves(below, f"{path} -> {name}={value}")
    if "on_no_match" in matcher:
        yield from _leaves(matcher["on_no_match"], f"{path} -> {ANY}")


def _address(entry: Any) -> str:
    length, address = entry.get("prefix_len"), str(entry["address_prefix"])
    return address if length in (32, 128) else f"{address}/{length}"
