"""A route configuration may be encoded in parts."""

from typing import Any

import pytest
from google.protobuf import json_format

from labkit.sandbox.xds import messages

TABLE: dict[str, Any] = {
    "name": "http_proxy",
    "validate_clusters": False,
    "virtual_hosts": [
        {"name": "a" * 300, "domains": ["*"]},
        {"name": "b", "domains": ["b"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "x"}}]},
    ],
}


def parsed(data: bytes) -> Any:
    return messages.message_class(messages.TYPES["routes"]).FromString(data)


def test_the_parts_are_the_same_message_as_the_whole() -> None:
    assert parsed(messages.encoded_table(TABLE, messages.encoded_host)) == parsed(messages.encoded("routes", TABLE))


def test_a_host_that_did_not_change_is_not_encoded_again() -> None:
    asked: list[str] = []

    def host_bytes(host: dict[str, Any]) -> bytes:
        asked.append(host["name"][0])
        return messages.encoded_host(host)

    messages.encoded_table(TABLE, host_bytes)
    assert asked == ["a", "b"]


def test_a_fault_in_a_host_is_told_with_its_place_in_the_table() -> None:
    wrong = {**TABLE, "virtual_hosts": [{"name": "a", "nosuch": 1}]}
    with pytest.raises(json_format.ParseError, match="virtual_hosts"):
        messages.encoded_table(wrong, messages.encoded_host)
