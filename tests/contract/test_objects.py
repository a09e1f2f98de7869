"""Objects: applied, watched, refused, pruned, held by a finalizer."""

import pytest

from labkit.install import pruning
from labkit.kube import api, marks, resources, status
from labkit.lab import endings
from tests.contract.conftest import PLACE

pytestmark = pytest.mark.sandbox

SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {colour: %s}\n"


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": PLACE}, "data": data}


def test_apply_says_created_unchanged_and_configured(asked):
    results = [asked.apply(SETTINGS % colour).strip() for colour in ("red", "red", "blue")]
    assert results == [f"configmap/settings {word}" for word in ("created", "unchanged", "configured")]
    assert (
        asked.kubectl("delete", "configmap/settings").strip() == f'configmap "settings" deleted from {PLACE} namespace'
    )


def test_a_watch_tells_what_is_there_and_then_each_change(asked):
    asked.api.create(resources.CONFIG_MAPS, config_map("watched", colour="red"))
    seen = []
    for event in asked.api.watch(resources.CONFIG_MAPS, PLACE, fields="metadata.name=watched"):
        seen.append(event.type)
        if len(seen) == 1:
            asked.api.patch(resources.CONFIG_MAPS, "watched", PLACE, {"data": {"colour": "blue"}})
        if len(seen) == 2:
            asked.api.delete(resources.CONFIG_MAPS, "watched", PLACE)
        if len(seen) == 3:
            break
    assert seen == ["ADDED", "MODIFIED", "DELETED"]


def test_two_managers_of_one_field_conflict_by_name(asked):
    asked.api.apply(resources.CONFIG_MAPS, config_map("shared", colour="red"), manager="anna")
    with pytest.raises(status.StatusError, match=r'conflict with "anna".*\.data\.colour'):
        asked.api.apply(resources.CONFIG_MAPS, config_map("shared", colour="blue"), manager="ben", force=False)
    asked.api.delete(resources.CONFIG_MAPS, "shared", PLACE)


def test_a_trial_stores_nothing(asked):
    asked.api.create(resources.CONFIG_MAPS, config_map("trial"), dry_run=True)
    assert asked.api.find(resources.CONFIG_MAPS, "trial", PLACE) is None


def test_an_old_version_is_refused(asked):
    first = asked.api.create(resources.CONFIG_MAPS, config_map("versions", colour="red"))
    asked.api.patch(resources.CONFIG_MAPS, "versions", PLACE, {"data": {"colour": "blue"}}, type=api.MERGE)
    with pytest.raises(status.Conflict, match="the object has been modified"):
        asked.api.replace(resources.CONFIG_MAPS, first)
    asked.api.delete(resources.CONFIG_MAPS, "versions", PLACE)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: Bad_Name}\n", "must consist of lower case alphanumeric"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 99999}]}\n", "between 1 and 65535"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containerz: []}\n", 'unknown field "spec.containerz"'),
        ("apiVersion: example.org/v1\nkind: Thing\nmetadata: {name: t}\n", 'no matches for kind "Thing"'),
    ],
    ids=["name", "port", "unknown field", "unknown kind"],
)
def test_what_is_wrong_is_refused_by_its_field(asked, text, why):
    assert why in asked.kubectl("apply", "-f", "-", stdin=text, fails=True)


def test_pruning_takes_what_bears_the_kits_label_and_nothing_else(asked):
    asked.api.create(resources.CONFIG_MAPS, marks.marked(config_map("ours")))
    asked.api.create(resources.CONFIG_MAPS, config_map("theirs"))
    own = [piece for piece in pruning.pieces(asked.api, PLACE) if piece.namespace == PLACE]
    assert [str(piece) for piece in own] == [f"ConfigMap {PLACE}/ours"]
    assert pruning.delete(asked.api, own) == []
    assert asked.api.find(resources.CONFIG_MAPS, "theirs", PLACE)
    asked.api.delete(resources.CONFIG_MAPS, "theirs", PLACE)


def test_a_namespace_that_a_finalizer_holds_is_explained_and_takes_nothing_new(asked):
    """A finalizer of an object in it keeps a namespace in Terminating, and its conditions say so."""
    name = f"{PLACE}-held"
    held = {"metadata": {"name": "held", "namespace": name, "finalizers": ["example.org/hold"]}}
    asked.kubectl("create", "namespace", name)
    asked.api.create(resources.CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", **held})
    asked.kubectl("delete", "namespace", name, "--wait=false")
    told = asked.until(lambda: _held(asked, name), "the namespace's conditions")
    assert "example.org/hold in 1 resource instances" in told
    with pytest.raises(status.StatusError, match="because it is being terminated"):
        asked.api.create(
            resources.CONFIG_MAPS,
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late", "namespace": name}},
        )
    asked.api.patch(resources.CONFIG_MAPS, "held", name, {"metadata": {"finalizers": None}})
    endings.until_gone(asked.api, name)


def _held(asked, name):
    told = endings.holds(asked.api.get(resources.NAMESPACES, name))
    return told if "finalizer" in told else ""
