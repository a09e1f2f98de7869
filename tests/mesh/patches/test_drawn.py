"""Drawn messages merge as protobuf merges them; of drawn EnvoyFilters a real Envoy does without those it refuses."""

import random
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from labkit.conformance import scene
from labkit.kube import manifests, resources
from labkit.mesh import compiler, messages
from labkit.mesh.patches import merging
from labkit.mesh.patches.envoyfilters import canonical
from labkit.sandbox.istiod import ads, authority, identities, publishing
from tests.mesh import envoys, test_any_valid_input
from tests.mesh.patches import drawn

POOL = messages.pool()
SEEDS = st.integers(0, 2**32 - 1)
MESSAGES = (
    *("envoy.config.cluster.v3.Cluster", "envoy.config.listener.v3.Listener", "envoy.config.listener.v3.FilterChain"),
    *(f"envoy.config.route.v3.{name}" for name in ("RouteConfiguration", "VirtualHost", "Route")),
)


def by_protobuf(name: str, into: dict[str, Any], value: dict[str, Any], *, replaces_lists: bool) -> dict[str, Any]:
    """The merge as protobuf has it, but for what Istio replaces as a whole."""
    parsed = (json_format.ParseDict(v, messages.message_class(name)(), descriptor_pool=POOL) for v in (into, value))
    one, other = parsed
    _clear_replaced(one, other, replaces_lists=replaces_lists)
    one.MergeFrom(other)
    merged: dict[str, Any] = json_format.MessageToDict(one, preserving_proto_field_name=True, descriptor_pool=POOL)
    return merged


def _clear_replaced(one: Any, other: Any, *, replaces_lists: bool) -> None:
    for field, value in other.ListFields():
        if field.is_repeated:
            if replaces_lists:
                one.ClearField(field.name)
        elif field.type == field.TYPE_MESSAGE and one.HasField(field.name):
            if field.message_type.full_name == drawn.DURATION:
                one.ClearField(field.name)
            else:
                _clear_replaced(getattr(one, field.name), value, replaces_lists=replaces_lists)


@pytest.mark.parametrize("replaces_lists", [False, True], ids=["MERGE", "MERGE_AND_REPLACE_LIST"])
@pytest.mark.parametrize("name", MESSAGES)
@given(seed=SEEDS)
def test_messages_merge_as_protobuf_merges_them(name: str, replaces_lists: bool, seed: int) -> None:
    chance = random.Random(seed)
    into, value = (canonical(name, drawn.message(name, chance)) for _ in range(2))
    result = merging.merged(name, into, value, replaces_lists=replaces_lists)
    assert canonical(name, result) == by_protobuf(name, into, value, replaces_lists=replaces_lists)


FOLDER = test_any_valid_input.FOLDER
SCENE = [scene.with_namespace(o) for o in manifests.read(FOLDER / "golden" / "scene.yaml")]


@settings(
    deadline=None,
    max_examples=10,
    suppress_health_check=list(HealthCheck),
    phases=set(Phase) - {Phase.shrink, Phase.explain},
)
@given(seed=SEEDS)
def test_an_envoy_does_without_the_filters_that_it_refuses_and_without_no_other(
    sidecar: envoys.Judge, seed: int
) -> None:
    chance = random.Random(seed)
    filters = [drawn.envoy_filter(f"{number:02}", chance) for number in range(3)]
    snapshot = envoys.numbered(scene.snapshot([*SCENE, *filters]))
    proxy = sidecar.proxy(scene.proxies(snapshot)["client"])
    publication = publishing.Publication(identities.Identities(authority.Authority.new()))
    publication.renew(dict(snapshot.objects), {})
    is_again = True
    while is_again:
        verdict = sidecar.judge(publication.config_for(proxy))
        refusals = [
            ads.Refusal(proxy=proxy, kind=kind, names=(name,), text=text)
            for (kind, name), text in verdict.refused.items()
        ]
        rulings = [publication.refused(refusal) for refusal in refusals] or [publication.taken(proxy)]
        assert not any(ruling.is_unexplained for ruling in rulings)
        is_again = any(ruling.is_offered_again for ruling in rulings)
    assert not verdict.refused
    index, guilty = compiler.index(snapshot), publication.trials.guilty(proxy.key)
    for guilt in guilty:
        beside = {resources.uid_of(g.object): None for g in guilty if g.resource == guilt.resource and g is not guilt}
        assert guilt.resource in sidecar.judge(index.for_proxy(proxy, beside)).refused
