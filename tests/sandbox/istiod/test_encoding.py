"""Every resource is encoded once, and route configurations in parts."""

from typing import Any

from labkit.sandbox.istiod import encoding, messages, session

Resource = dict[str, Any]


def host(name: str) -> Resource:
    return {"name": name, "domains": [name], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "x"}}]}


def table(*hosts: Resource) -> Resource:
    return {"name": "http_proxy", "validate_clusters": False, "virtual_hosts": list(hosts)}


def parsed(data: bytes) -> Any:
    return messages.message_class(messages.TYPES["routes"]).FromString(data)


def encoded(encoder: encoding.Encoder, resource: Resource) -> bytes:
    return encoder.layer("routes", {"http_proxy": resource}).encoded["http_proxy"]


class Noting(encoding.Encoder):
    """Notes the name of a virtual host each time that one is encoded."""

    def __init__(self) -> None:
        super().__init__(self._noted)
        self.made: list[str] = []

    def _noted(self, resource: Resource) -> bytes:
        self.made.append(resource["name"])
        return messages.encoded_host(resource)


def test_the_parts_are_the_same_message_as_the_whole() -> None:
    whole = table(host("a" * 300), host("b"))
    assert parsed(encoded(encoding.Encoder(), whole)) == parsed(messages.encoded("routes", whole))


def test_a_host_that_did_not_change_is_not_encoded_again() -> None:
    encoder, first, second = Noting(), host("first"), host("second")
    encoded(encoder, table(first, second))
    encoder.turn()
    encoded(encoder, table(first, host("third")))
    assert encoder.made == ["first", "second", "third"]


def test_hosts_are_remembered_through_pushes_that_do_not_touch_their_table() -> None:
    encoder, first, second = Noting(), host("first"), host("second")
    whole = table(first, second)
    layer = {"http_proxy": whole}
    for _ in range(3):
        encoder.layer("routes", layer)
        encoder.turn()
    encoded(encoder, whole)
    encoder.turn()
    encoded(encoder, table(first))
    assert encoder.made == ["first", "second"]


def test_what_nothing_asked_for_is_forgotten() -> None:
    encoder, first = Noting(), host("first")
    encoded(encoder, table(first))
    encoder.turn()
    encoder.turn()
    encoded(encoder, table(first))
    assert encoder.made == ["first", "first"]


def test_a_version_is_one_of_the_content() -> None:
    one, other = (encoded(encoding.Encoder(), table(host("a"), host("b"))) for _ in range(2))
    assert one == other and session.version_of(one) == session.version_of(other)
    changed = encoded(encoding.Encoder(), table(host("a"), host("c")))
    assert session.version_of(changed) != session.version_of(one)


def test_the_same_mappings_give_the_same_mapping() -> None:
    encoder = encoding.Encoder()
    shared, own = {"a": {"name": "a"}}, {"b": {"name": "b"}}

    def joined() -> Any:
        return encoder.joined([encoder.layer("clusters", shared).encoded, encoder.layer("clusters", own).encoded])

    first = joined()
    encoder.turn()
    assert joined() is first and set(first) == {"a", "b"}


def test_a_fault_in_a_host_is_told_with_its_place_in_the_table() -> None:
    layer = encoding.Encoder().layer("routes", {"good": table(host("a")), "bad": table({"name": "a", "nosuch": 1})})
    assert set(layer.encoded) == {"good"}
    assert "virtual_hosts" in layer.faults["bad"]
