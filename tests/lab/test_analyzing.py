"""What is not carried out as it stands."""

import pytest

from labkit.kube import resources
from labkit.lab import analyzing, cleanup

BOUND = {
    "kind": "Gateway",
    "apiVersion": "networking.istio.io/v1",
    "metadata": {"name": "door", "namespace": "default"},
    "spec": {"servers": [{"bind": "10.0.0.1", "hosts": ["*"], "port": {"number": 80}}]},
}


def test_a_field_without_effect_is_named_on_the_sandbox_only():
    (finding,) = analyzing.of_object(BOUND, has_caveats=True)
    assert (finding.object, finding.level) == ("Gateway default/door", "warning")
    assert "spec.servers[0].bind has no effect" in finding.message
    assert analyzing.of_object(BOUND, has_caveats=False) == []


@pytest.mark.parametrize("resource", resources.NOT_TRANSLATED, ids=lambda resource: resource.kind)
def test_a_kind_that_is_not_carried_out_is_looked_for_and_named(resource):
    obj = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": {"name": "a", "namespace": "default"}}
    (finding,) = analyzing.of_object(obj | {"spec": {}}, has_caveats=True)
    assert resource in cleanup.RULES
    assert (finding.object, finding.level) == (f"{resource.kind} default/a", "warning")
    assert "spec has no effect" in finding.message


def test_a_condition_that_is_false_is_an_error_wherever_it_stands():
    condition = {"type": "ResolvedRefs", "status": "False", "message": "no such Service"}
    route = BOUND | {"kind": "HTTPRoute", "spec": {}, "status": {"parents": [{"conditions": [condition]}]}}
    (finding,) = analyzing.of_object(route, has_caveats=False)
    assert (finding.level, finding.message) == ("error", "ResolvedRefs: no such Service")


def test_conditions_that_are_false_when_all_is_well_are_not_told():
    listener = {"conditions": [{"type": "Conflicted", "status": "False"}]}
    assert analyzing.of_object(BOUND | {"spec": {}, "status": {"listeners": [listener]}}, has_caveats=True) == []


def test_the_table_has_its_columns_even_when_there_is_nothing_to_say():
    assert list(analyzing.frame([]).columns) == ["object", "level", "code", "message"]
