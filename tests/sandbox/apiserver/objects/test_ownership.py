"""Server-side apply: who owns what, and who may change it."""

from typing import Any

import pytest

from labkit.kube import status
from labkit.sandbox.apiserver.objects import defaults, ownership, schemas
from labkit.sandbox.apiserver.objects.schemas import Schema

T1, T2 = "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"


def schema_of(api_version: str, kind: str) -> Schema:
    schema = schemas.builtin(api_version, kind)
    assert schema
    return schema


CONFIG_MAP, SERVICE, DEPLOYMENT = (
    schema_of("v1", "ConfigMap"),
    schema_of("v1", "Service"),
    schema_of("apps/v1", "Deployment"),
)


def applied(schema: Schema, live: Any, manager: str, *, force: bool = False, time: str = T1, **content: Any) -> Any:
    config = {"apiVersion": schema.api_version, "kind": schema.kind, "metadata": {"name": "c"}, **content}
    stored = ownership.apply(live, config, manager=manager, force=force, schema=schema, time=time)
    return defaults.with_defaults(schema, stored)


def owners(obj: Any) -> dict[str, Any]:
    return {entry["manager"]: entry["fieldsV1"] for entry in obj["metadata"].get("managedFields", ())}


def test_the_first_apply_owns_what_it_says() -> None:
    stored = applied(CONFIG_MAP, None, "alice", data={"a": "1"})
    assert owners(stored) == {"alice": {"f:data": {"f:a": {}}}}


def test_another_value_is_a_conflict_that_names_owner_and_field() -> None:
    live = applied(CONFIG_MAP, None, "alice", data={"a": "1"})
    with pytest.raises(status.Conflict) as caught:
        applied(CONFIG_MAP, live, "bob", data={"a": "2"})
    assert caught.value.status["message"] == 'Apply failed with 1 conflict: conflict with "alice": .data.a'


def test_force_takes_the_field_over() -> None:
    live = applied(CONFIG_MAP, None, "alice", data={"a": "1", "b": "1"})
    stored = applied(CONFIG_MAP, live, "bob", force=True, data={"a": "2"})
    assert stored["data"] == {"a": "2", "b": "1"}
    assert owners(stored) == {"alice": {"f:data": {"f:b": {}}}, "bob": {"f:data": {"f:a": {}}}}


def test_what_is_applied_no_more_goes_unless_shared() -> None:
    live = applied(CONFIG_MAP, None, "alice", data={"a": "1", "b": "1"})
    live = applied(CONFIG_MAP, live, "bob", data={"b": "1"})
    assert applied(CONFIG_MAP, live, "alice", data={})["data"] == {"b": "1"}


def test_sharing_a_value_changes_nothing_and_takes_no_time() -> None:
    live = applied(CONFIG_MAP, None, "alice", data={"a": "1"})
    stored = applied(CONFIG_MAP, live, "bob", time=T2, data={"a": "1"})
    assert [(e["manager"], e.get("time")) for e in stored["metadata"]["managedFields"]] == [
        ("bob", None),
        ("alice", T1),
    ]


ENTRY = {
    "manager": "bob",
    "operation": "Update",
    "apiVersion": "v1",
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:data": {"f:a": {}}},
}


@pytest.mark.parametrize(
    "change",
    [
        {"apiVersion": ""},
        {"operation": ""},
        {"fieldsType": ""},
        {"fieldsV1": {"f:data": {"k:{": {}}}},
        {"fieldsV1": {"f:data": {"k:[]": {}}}},
        {"fieldsV1": {"f:data": {"i:x": {}}}},
    ],
    ids=["no version", "no operation", "no type", "a torn key", "a key that is a list", "an index that is a word"],
)
def test_owners_that_cannot_be_read_change_no_owner(change: dict[str, Any]) -> None:
    live = applied(CONFIG_MAP, None, "alice", data={"a": "1"})
    sent = {**live, "metadata": {**live["metadata"], "managedFields": [ENTRY | change]}}
    managed = ownership.after_update(live, sent, manager="me", subresource="", schema=CONFIG_MAP, time=T2)
    assert [entry["manager"] for entry in managed] == ["alice"]


def test_owners_that_can_be_read_are_taken_from_a_write() -> None:
    live = applied(CONFIG_MAP, None, "alice", data={"a": "1"})
    sent = {**live, "metadata": {**live["metadata"], "managedFields": [ENTRY]}}
    managed = ownership.after_update(live, sent, manager="me", subresource="", schema=CONFIG_MAP, time=T2)
    assert managed == [ENTRY]


def test_ports_are_known_by_port_and_default_protocol() -> None:
    stored = applied(SERVICE, None, "alice", spec={"ports": [{"port": 80}]})
    assert list(owners(stored)["alice"]["f:spec"]["f:ports"]) == ['k:{"port":80,"protocol":"TCP"}']


def test_an_update_takes_fields_and_owns_defaults() -> None:
    new = defaults.with_defaults(CONFIG_MAP, {"metadata": {"name": "c"}, "data": {"a": "1"}})
    entries = ownership.after_update(None, new, manager="writer", subresource="", schema=CONFIG_MAP, time=T1)
    assert entries[0]["fieldsV1"] == {"f:data": {".": {}, "f:a": {}}}


def test_a_field_unknown_to_the_schema_is_an_error_of_the_server() -> None:
    with pytest.raises(status.StatusError, match=r"\.nope: field not declared in schema"):
        applied(CONFIG_MAP, None, "alice", nope=1)


def test_the_eleventh_updater_makes_two_old_ones_share_an_entry() -> None:
    live: Any = None
    for number in range(12):
        before = live
        data = {**((live or {}).get("data") or {}), f"k{number}": "1"}
        live = {"metadata": {"name": "c", **((live or {}).get("metadata") or {})}, "data": data}
        time = f"2026-01-01T00:00:{number:02d}Z"
        live["metadata"]["managedFields"] = ownership.after_update(
            before, live, manager=f"m{number}", subresource="", schema=CONFIG_MAP, time=time
        )
    names = [entry["manager"] for entry in live["metadata"]["managedFields"]]
    assert len(names) == ownership.MAX_UPDATERS
    assert ownership.ANCIENT in names


def test_status_is_nobodys_in_a_write_to_the_resource() -> None:
    stored = applied(DEPLOYMENT, None, "alice", status={"replicas": 3}, spec={"replicas": 1})
    assert "f:status" not in owners(stored)["alice"]
    assert "replicas" not in stored["status"]
