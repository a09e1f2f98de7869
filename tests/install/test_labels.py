"""Labels on a namespace of somebody else's: what they said before the kit came is what they say when it goes."""

import json

from labkit.install import labels

NAME = "istio-injection"


def namespace(value=None, *, remembered=None):
    metadata = {"name": "team", "labels": {"team": "anna", **({NAME: value} if value else {})}}
    if remembered is not None:
        metadata["annotations"] = {labels.BEFORE: remembered}
    return {"metadata": metadata}


class Api:
    """A cluster that takes patches of namespaces."""

    def __init__(self, *namespaces):
        self.namespaces, self.patches = list(namespaces), []

    def find(self, *_):
        return None

    def list(self, _):
        return self.namespaces

    def patch(self, _, name, __, body):
        self.patches.append((name, body["metadata"]))


def after(live, changes):
    """What the namespace's annotation says once the kit has set labels."""
    api = Api()
    labels.put(api, live, changes)
    ((_, metadata),) = api.patches
    return metadata["annotations"][labels.BEFORE]


def test_a_label_that_was_not_there_is_taken_away():
    note = after(namespace(), {NAME: "enabled"})
    assert labels.of(namespace("enabled", remembered=note)).before == {NAME: None}


def test_a_label_that_said_something_else_says_it_again():
    note = after(namespace("disabled"), {NAME: "enabled"})
    assert labels.of(namespace("enabled", remembered=note)).before == {NAME: "disabled"}


def test_what_counts_is_the_first_time_however_often_the_kit_sets_it():
    note = after(namespace(), {NAME: "enabled"})
    note = after(namespace("enabled", remembered=note), {NAME: None})
    note = after(namespace(remembered=note), {NAME: "enabled"})
    assert json.loads(note) == {NAME: [None, "enabled"]}


def test_a_label_that_its_owner_changed_since_is_theirs():
    note = after(namespace(), {NAME: "enabled"})
    assert labels.of(namespace("disabled", remembered=note)).before == {}


def test_taking_back_changes_the_kits_labels_alone_and_removes_the_note():
    note = after(namespace(), {NAME: "enabled"})
    api = Api(namespace("enabled", remembered=note), namespace("enabled"))
    (labelled,) = labels.listed(api, "team")
    assert str(labelled) == f"Namespace team, whose labels become {NAME}-"
    assert labels.take_all_back(api, [labelled]) == []
    assert api.patches == [("team", {"labels": {NAME: None}, "annotations": {labels.BEFORE: None}})]


def test_a_damaged_note_takes_nothing_back():
    for note in ("{", "[]", '{"a": 1}', '{"a": []}', "null"):
        assert labels.of(namespace("enabled", remembered=note)).before == {}
