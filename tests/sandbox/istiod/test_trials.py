"""A proxy does without the EnvoyFilters that it refuses, and without no other."""

from collections.abc import Collection, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.mesh import compiler, model, patches, sandboxed
from labkit.sandbox.istiod import ads, authority, identities, publishing, trials
from tests.sandbox.istiod import proxies

Object = dict[str, Any]
WEB, NAME = "web.default", ("listeners", "virtualInbound")


class Proxy:
    """A proxy with one resource, made of the versions of filters, that refuses some sets of them."""

    def __init__(self, *bad: Collection[str]) -> None:
        self.bad = [frozenset(each) for each in bad]
        self.trials = trials.Trials()
        self.has: frozenset[str] = frozenset()
        self.offers = 0

    def is_offered(self, objects: Mapping[str, Object]) -> None:
        """Offer resources until one is taken, or nothing else is to be tried."""
        whole = frozenset(map(version, objects.values()))
        is_again = True
        while is_again:
            self.offers += 1
            versions = self.trials.instead(WEB, lambda _: whole).get(NAME, {})
            every = {uid: versions.get(uid, obj) for uid, obj in objects.items()}
            resource = frozenset(version(obj) for obj in every.values() if obj is not None)
            if any(bad <= resource for bad in self.bad):
                text = f"no to {sorted(resource)}"
                ruling = self.trials.refused(WEB, NAME, text, whole, lambda: list(objects.values()))
            else:
                self.has = resource
                ruling = self.trials.taken(WEB, objects.values())
            is_again = ruling.is_offered_again

    @property
    def refuses(self) -> set[str]:
        return {version(guilt.object) for guilt in self.trials.guilty(WEB)}


def version(obj: Object) -> str:
    return f"{obj['metadata']['uid']}{obj['metadata']['resourceVersion']}"


def filters(*versions: str) -> dict[str, Object]:
    """``a1``: the first version of the filter a."""
    return {v[0]: {"metadata": {"uid": v[0], "name": v[0], "resourceVersion": v[1:]}, "spec": v[1:]} for v in versions}


@pytest.mark.parametrize(
    ("bad", "pushes", "has", "refuses"),
    [
        pytest.param([["a1"]], [["a1"]], "", "a1", id="the only one"),
        pytest.param([["b1"]], [["a1", "b1", "c1"]], "a1 c1", "b1", id="one of three that came together"),
        pytest.param([["b1"]], [["b1"], ["a1", "b1"]], "a1", "b1", id="one that stands, and an innocent one after it"),
        pytest.param([["b1"], ["c1"]], [["b1"], ["b1", "c1"]], "", "b1 c1", id="another bad one after it"),
        pytest.param([["b1"], ["c1"]], [["a1", "b1", "c1", "d1"]], "a1 d1", "b1 c1", id="two of four"),
        pytest.param([["a2"]], [["a1", "b1"], ["a2", "b1"]], "a1 b1", "a2", id="its last good version stays"),
        pytest.param([["a1"]], [["a1", "b1"], ["a2", "b1"]], "a2 b1", "", id="mended"),
        pytest.param([["a1"]], [["a1", "b1"], ["b1"]], "b1", "", id="taken away"),
        pytest.param([["a1", "b1"]], [["a1"], ["a1", "b1"]], "a1", "b1", id="two that do not go together: the newer"),
        pytest.param([["a1", "b1"]], [["a1"], ["a1", "b1"], ["b1"]], "b1", "", id="until the other one is gone"),
        pytest.param([[]], [["a1"]], "", "", id="a resource that is refused without any"),
    ],
)
def test_a_proxy_does_without_what_it_refuses(
    bad: list[list[str]], pushes: list[list[str]], has: str, refuses: str
) -> None:
    proxy = Proxy(*bad)
    for push in pushes:
        proxy.is_offered(filters(*push))
    assert proxy.has == set(has.split())
    assert proxy.refuses == set(refuses.split())


LETTERS = "abcdef"
PUSHES = st.lists(st.dictionaries(st.sampled_from(LETTERS), st.sampled_from("12")), min_size=1, max_size=4)
BAD = st.lists(st.sets(st.sampled_from([f"{u}{v}" for u in LETTERS for v in "12"]), min_size=1, max_size=2), max_size=4)


@given(BAD, PUSHES)
def test_nobody_is_refused_without_a_reason_and_nothing_bad_is_taken(
    bad: list[set[str]], pushes: list[dict[str, str]]
) -> None:
    proxy = Proxy(*bad)
    for push in pushes:
        versions = [f"{uid}{number}" for uid, number in push.items()]
        proxy.offers = 0
        proxy.is_offered(filters(*versions))
        assert proxy.offers <= len(LETTERS) ** 2 + 3
        assert set(versions) - proxy.refuses <= proxy.has
        for guilty in proxy.refuses:
            with_it = {v for v in proxy.has if v[0] != guilty[0]} | {guilty}
            assert any(each <= with_it for each in bad)


def test_what_a_refusal_is_put_down_to_stands_with_its_text() -> None:
    proxy = Proxy(["b1"])
    proxy.is_offered(filters("a1", "b1"))
    ((text, objects),) = proxy.trials.standing().items()
    assert (text, [version(obj) for obj in objects]) == ("no to ['a1', 'b1']", ["b1"])


def test_a_proxy_that_left_is_forgotten() -> None:
    proxy = Proxy(["a1"])
    proxy.is_offered(filters("a1"))
    proxy.trials.keep([])
    assert not proxy.trials.standing()


LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"


def lua(name: str, code: str) -> Object:
    value = {"name": name, "typed_config": {"@type": LUA, "default_source_code": {"inline_string": code}}}
    entry = {
        "applyTo": "HTTP_FILTER",
        "match": {"context": "SIDECAR_INBOUND"},
        "patch": {"operation": "INSERT_FIRST", "value": value},
    }
    metadata = {"name": name, "namespace": "default", "uid": name, "resourceVersion": "1"}
    return {"kind": "EnvoyFilter", "metadata": metadata, "spec": {"configPatches": [entry]}}


def test_a_publication_offers_a_listener_without_the_filter_that_is_refused() -> None:
    publication = publishing.Publication(identities.Identities(authority.Authority.new()))
    publication.renew({patches.RESOURCE: [lua("good", "x = 1"), lua("bad", "x = ")]}, {})
    proxy = proxies.proxy(place=sandboxed.Place(ip="127.0.0.1"))

    def listener() -> bytes:
        return publication.resources_for(proxy)["listeners"]["virtualInbound"]

    def answered() -> list[Any]:
        ruling = trials.Ruling(is_offered_again=True)
        guilty: list[Any] = []
        while ruling.is_offered_again:
            if b"bad" in listener():
                refusal = ads.Refusal(proxy=proxy, kind="listeners", names=("virtualInbound",), text="syntax error")
                ruling = publication.refused(refusal)
            else:
                ruling = publication.taken(proxy)
            guilty += ruling.guilty
        return guilty

    assert [g.object["metadata"]["name"] for g in answered()] == ["bad"]
    assert b"good" in listener()
    assert b"bad" not in listener()


def test_filters_that_change_nothing_are_not_behind_a_resource() -> None:
    elsewhere = lua("elsewhere", "x = 1")
    elsewhere["spec"]["configPatches"][0]["match"]["context"] = "GATEWAY"
    twins = [lua("same", "x = 2"), lua("same", "x = 2")]
    twins[1]["metadata"]["uid"] = "twin"
    for twin in twins:
        twin["spec"]["configPatches"][0] |= {"applyTo": "CLUSTER", "patch": {"operation": "REMOVE"}}
    snapshot = model.Snapshot(objects={patches.RESOURCE: [elsewhere, lua("here", "x = 1"), *twins]})
    index = compiler.index(snapshot)
    behind = index.filters_behind(proxies.proxy(), "listeners", "virtualInbound")
    assert [obj["metadata"]["name"] for obj in behind] == ["here"]
    of_cluster = index.filters_behind(proxies.proxy(), "clusters", "InboundPassthroughCluster")
    assert [obj["metadata"]["uid"] for obj in of_cluster] == ["same", "twin"]
