"""Who writes which access log: the mesh, a namespace, a workload."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from labkit.mesh import blame, model
from labkit.mesh.envoy import access_logs as envoy
from labkit.mesh.envoy import listeners
from labkit.mesh.ir import Log, Telemetry
from labkit.mesh.listeners import inbound
from labkit.mesh.listeners.entrance import Entrance
from labkit.mesh.policies import selection
from labkit.mesh.policies import telemetry as telemetry_of
from labkit.sandbox.istiod import messages

WEB = model.Proxy(name="web", namespace="shop", role="sidecar", ip="127.0.0.1", labels={"app": "web"})
ENTRY = model.Proxy(name="entry", namespace="istio-system", role="router", ip="127.0.0.3", labels={"app": "entry"})
STDOUT = Log(path="/dev/stdout")
ON = {"providers": [{"name": "envoy"}]}
OFF = {**ON, "disabled": True}


def telemetry(namespace, *logging, name="t", created="2026-11-01T00:00:00Z", **spec):
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": created}
    return {"kind": "Telemetry", "metadata": metadata, "spec": {"accessLogging": list(logging), **spec}}


def logs(*telemetries, proxy=WEB, mesh=None, clusters=()):
    snapshot = model.Snapshot(objects={telemetry_of.RESOURCE: telemetries}, mesh_config=mesh or {})
    sides = telemetry_of.of(snapshot, proxy, clusters)
    return sides.inbound.logs, sides.outbound.logs


def both(*lines):
    return lines, lines


FILE = {"accessLogFile": "/dev/stdout"}
OWN = {"selector": {"matchLabels": {"app": "web"}}}
OTHERS = {"selector": {"matchLabels": {"app": "db"}}}


@pytest.mark.parametrize(
    ("telemetries", "mesh", "found"),
    [
        pytest.param([], {}, both(), id="nobody asks"),
        pytest.param([], FILE, both(STDOUT), id="the mesh's file"),
        pytest.param([telemetry("istio-system", ON)], {}, both(STDOUT), id="for the mesh"),
        pytest.param([telemetry("other", ON)], {}, both(), id="another namespace's"),
        pytest.param([telemetry("istio-system", ON, **OWN)], {}, both(), id="a selector in the root is of the root"),
        pytest.param([telemetry("istio-system", ON), telemetry("shop", OFF)], {}, both(), id="off in a namespace"),
        pytest.param([telemetry("shop", OFF), telemetry("shop", ON, **OWN)], {}, both(STDOUT), id="on in a workload"),
        pytest.param([telemetry("shop", ON, **OTHERS)], {}, both(), id="another workload's"),
        pytest.param([telemetry("istio-system", OFF)], FILE, both(), id="off beats the mesh's file"),
        pytest.param([telemetry("istio-system", {})], FILE, both(STDOUT), id="an empty entry says nothing"),
        pytest.param(
            [telemetry("istio-system", {"providers": [{"name": "nobody"}]})],
            FILE,
            both(STDOUT),
            id="nobody by that name",
        ),
        pytest.param(
            [telemetry("istio-system", {})],
            {"defaultProviders": {"accessLogging": ["envoy"]}},
            both(STDOUT),
            id="default",
        ),
        pytest.param(
            [telemetry("shop", {"disabled": True})],
            {"defaultProviders": {"accessLogging": ["envoy"]}},
            both(),
            id="the default, off in a namespace",
        ),
        pytest.param(
            [
                telemetry("shop", OFF, name="younger", created="2026-11-02T00:00:00Z"),
                telemetry("shop", ON, name="older"),
            ],
            {},
            both(STDOUT),
            id="the older of two",
        ),
    ],
)
def test_the_closest_one_decides(telemetries, mesh, found):
    assert logs(*telemetries, mesh=mesh) == found


def test_an_entry_is_for_servers_or_for_clients():
    served = telemetry("shop", {**ON, "match": {"mode": "SERVER"}})
    assert logs(served) == ((STDOUT,), ())
    assert logs(telemetry("istio-system", ON), telemetry("shop", {**OFF, "match": {"mode": "CLIENT"}}))[1] == ()


def test_a_gateway_is_a_client():
    called = telemetry("istio-system", {**ON, "match": {"mode": "CLIENT"}})
    assert logs(called, proxy=ENTRY) == ((), (STDOUT,))


def test_a_filter_is_of_its_provider():
    said = {**ON, "filter": {"expression": "response.code >= 400"}}
    assert logs(telemetry("shop", said)) == both(Log(path="/dev/stdout", expression="response.code >= 400"))


def test_a_gateway_is_chosen_by_name():
    gateway = model.Proxy(name="g", namespace="shop", role="router", ip="", labels={selection.GATEWAY_NAME: "door"})
    target = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "door"}]
    assert logs(telemetry("shop", ON, targetRefs=target), proxy=gateway)[1] == (STDOUT,)
    assert logs(telemetry("shop", ON, targetRefs=target)) == both()


def test_a_collector_must_be_there():
    mesh = {"extensionProviders": [{"name": "otel", "envoyOtelAls": {"service": "shop/otel.shop", "port": 4317}}]}
    asks = telemetry("shop", {"providers": [{"name": "otel"}]})
    assert logs(asks, mesh=mesh) == both()
    (found,) = logs(asks, mesh=mesh, clusters={"outbound|4317||otel.shop"})[1]
    assert found.collector == "outbound|4317||otel.shop"


def test_json_that_cannot_be_read_is_istios_own():
    mesh = {**FILE, "accessLogEncoding": "JSON", "accessLogFormat": "{not json"}
    (found,) = logs(mesh=mesh)[1]
    assert envoy.access_log(found)["typed_config"]["log_format"]["json_format"] == envoy.FIELDS


def test_what_cannot_be_a_telemetry_is_named():
    with pytest.raises(blame.TranslationError, match="Telemetry shop/t cannot be translated"):
        logs(telemetry("shop", ON, selector=["app"]))


ALL_KINDS = (
    Log(path="/dev/stdout", expression="response.code >= 400"),
    Log(path="/dev/stderr", fields={}),
    Log(path="/dev/stderr", text="%REQ_WITHOUT_QUERY(:PATH)%"),
    Log(collector="outbound|4317||otel.shop", name="log", fields={"code": "%RESPONSE_CODE%"}),
)


def test_every_filter_that_knows_of_requests_gets_them_and_no_other():
    listener = inbound.listener(
        [inbound.Inbound(port=8080, protocol="HTTP"), inbound.Inbound(port=3306, protocol="TCP")],
        {},
        default="PERMISSIVE",
        entrance=Entrance(telemetry=Telemetry(logs=ALL_KINDS)),
        trust_domains=("cluster.local",),
    )
    resource = listeners.listener(listener)
    assert messages.encoded("listeners", resource)
    lines = [len(c["filters"][-1]["typed_config"].get("access_log", ())) for c in resource["filter_chains"]]
    # What would come back for ever is no request of anybody.
    assert lines == [0, *(len(ALL_KINDS) for _ in lines[1:])]
    assert resource["access_log"][0]["filter"]["and_filter"]["filters"][0] == envoy.UNMATCHED


def test_a_line_ends_once():
    (one, other) = (envoy.access_log(Log(path="x", text=text)) for text in ("%PROTOCOL%", "%PROTOCOL%\n"))
    assert one == other


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just("envoy"),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["name", "providers", "match", "mode", "filter", "disabled"]), inner)
    ),
    max_leaves=8,
)


@hypothesis(deadline=None, max_examples=50)
@given(st.dictionaries(st.sampled_from(["accessLogging", "selector", "targetRefs"]), ANYTHING), ANYTHING)
def test_any_input_at_all_has_no_other_than_a_defined_error(spec: dict[str, Any], providers: Any) -> None:
    said = {**telemetry("shop"), "spec": spec}
    try:
        logs(said, mesh={"extensionProviders": providers})
    except blame.TranslationError as e:
        assert "cannot be translated" in str(e)
