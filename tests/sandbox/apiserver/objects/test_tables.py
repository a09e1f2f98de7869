"""Objects as ``kubectl get`` shows them."""

import datetime
from typing import Any

import pytest

from labkit.sandbox.apiserver.objects import decoding, defaults, jsonpath, schemas, tables
from labkit.sandbox.apiserver.objects.tables import columns

NOW = datetime.datetime(2026, 1, 2, 12, tzinfo=datetime.UTC)


def cells(api_version: str, kind: str, obj: dict[str, Any]) -> dict[str, Any]:
    schema = schemas.builtin(api_version, kind)
    assert schema
    table = tables.table(schema, [decoding.decode(schema, obj).object], now=NOW)
    names = [column["name"] for column in table["columnDefinitions"]]
    return dict(zip(names, table["rows"][0]["cells"], strict=True))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (195, "3m15s"),
        (1500, "25m"),
        (18600, "5h10m"),
        (169200, "47h"),
        (86400 * 3 + 14400, "3d4h"),
        (86400 * 200, "200d"),
        (86400 * 365 * 3, "3y"),
        (-5, "<invalid>"),
    ],
)
def test_an_age_is_as_short_as_it_is_old(seconds: int, text: str) -> None:
    assert columns.duration(seconds) == text


def pod(**status: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "a"}, {"name": "b"}]}
    return {"metadata": {"name": "p", "creationTimestamp": "2026-01-02T11:00:00Z"}, "spec": spec, "status": status}


def container(state: dict[str, Any], *, ready: bool = False, restarts: int = 0) -> dict[str, Any]:
    return {"name": "a", "image": "x", "imageID": "", "ready": ready, "restartCount": restarts, "state": state}


@pytest.mark.parametrize(
    ("status", "word"),
    [
        pytest.param({"phase": "Pending"}, "Pending", id="the phase"),
        pytest.param(
            {"containerStatuses": [container({"waiting": {"reason": "ImagePullBackOff"}})]},
            "ImagePullBackOff",
            id="why a container waits",
        ),
        pytest.param(
            {"containerStatuses": [container({"terminated": {"exitCode": 137, "signal": 9}})]},
            "Signal:9",
            id="how a container ended",
        ),
        pytest.param({"phase": "Failed", "reason": "Evicted"}, "Evicted", id="why the pod failed"),
    ],
)
def test_the_status_of_a_pod_is_one_word(status: dict[str, Any], word: str) -> None:
    assert cells("v1", "Pod", pod(**status))["Status"] == word


def test_restarts_say_when_the_last_one_was() -> None:
    last = container({"running": {}}, ready=True, restarts=2)
    last["lastState"] = {"terminated": {"exitCode": 1, "finishedAt": "2026-01-02T11:57:00Z"}}
    assert cells("v1", "Pod", pod(phase="Running", containerStatuses=[last]))["Restarts"] == "2 (3m ago)"


def test_a_service_lists_its_ports() -> None:
    ports = [{"port": 80, "protocol": "TCP", "nodePort": 30080}, {"port": 53, "protocol": "UDP"}]
    result = cells("v1", "Service", {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": ports}})
    assert result["Port(s)"] == "80:30080/TCP,53/UDP"


def test_every_served_kind_has_a_table() -> None:
    for kind in schemas.served():
        if "list" in kind.verbs:
            schema = schemas.builtin(kind.api_version, kind.kind)
            assert schema
            obj = defaults.with_defaults(schema, decoding.decode(schema, {"metadata": {"name": "x"}}).object)
            assert tables.table(schema, [obj], now=NOW)["rows"][0]["cells"]


@pytest.mark.parametrize(
    ("path", "result"),
    [
        (".a.b", [1]),
        (".l[*].k", ["x", "y"]),
        (".l[1].k", ["y"]),
        ('.l[?(@.k=="y")].v', [2]),
        (".no.such", []),
    ],
)
def test_a_json_path_finds_values(path: str, result: list[Any]) -> None:
    value = {"a": {"b": 1}, "l": [{"k": "x", "v": 1}, {"k": "y", "v": 2}]}
    assert jsonpath.matches(path, value) == result
