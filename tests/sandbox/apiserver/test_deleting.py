"""What a deletion leaves, and for how long."""

MERGE = {"Content-Type": "application/merge-patch+json"}


def test_a_finalizer_holds_an_object_until_it_is_taken_away(ask):
    ask("POST", "configmaps", {"metadata": {"name": "c", "finalizers": ["example.com/f"]}})
    assert "deletionTimestamp" in ask("DELETE", "configmaps/c").body["metadata"]
    ask("PATCH", "configmaps/c", {"metadata": {"finalizers": None}}, headers=MERGE)
    assert ask("GET", "configmaps/c").code == 404


def test_an_object_under_deletion_takes_no_new_finalizers(ask):
    ask("POST", "configmaps", {"metadata": {"name": "c", "finalizers": ["example.com/f"]}})
    ask("DELETE", "configmaps/c")
    more = {"metadata": {"finalizers": ["example.com/f", "example.com/g"]}}
    assert "no new finalizers can be added" in ask("PATCH", "configmaps/c", more, headers=MERGE).message


def test_a_wrong_uid_deletes_nothing(ask):
    ask("POST", "configmaps", {"metadata": {"name": "c"}})
    answer = ask("DELETE", "configmaps/c", {"preconditions": {"uid": "another"}})
    assert answer.code == 409
    assert ask("GET", "configmaps/c").code == 200


def test_a_collection_goes_by_label(ask):
    for name in ("a", "b"):
        ask("POST", "configmaps", {"metadata": {"name": name, "labels": {"name": name}}})
    ask("DELETE", "configmaps", query="labelSelector=name=a")
    left = {item["metadata"]["name"] for item in ask("GET", "configmaps").body["items"]}
    assert left == {"b", "kube-root-ca.crt"}


def test_namespaces_of_the_system_stay(ask):
    answer = ask("DELETE", "namespaces/kube-system", anywhere=True)
    assert answer.message == 'namespaces "kube-system" is forbidden: this namespace may not be deleted'
