"""What the sandbox does not carry out is said when it is written, and stands as an Event on the object."""

POLICY = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "n"}, "spec": {}}
GROUP = "networking.k8s.io/v1"


def test_a_write_without_effect_is_answered_with_a_warning(ask):
    answer = ask("POST", "networkpolicies", POLICY, group=GROUP)
    assert (answer.code, "not in this sandbox: NetworkPolicy has no effect" in answer.headers["Warning"]) == (201, True)


def test_an_event_on_the_object_says_it_too(ask):
    uid = ask("POST", "networkpolicies", POLICY, group=GROUP).body["metadata"]["uid"]
    query = f"fieldSelector=involvedObject.uid={uid}"
    events = ask.until("events", lambda body: body["items"], query=query)["items"]
    assert [(e["type"], e["reason"]) for e in events] == [("Warning", "NotCarriedOut")]


def test_a_dry_run_warns_and_leaves_no_event(ask):
    answer = ask("POST", "networkpolicies", POLICY, group=GROUP, query="dryRun=All")
    assert "not in this sandbox" in answer.headers["Warning"]
    ask("POST", "networkpolicies", POLICY | {"metadata": {"name": "later"}}, group=GROUP)
    ask.until("events", lambda body: [e["involvedObject"]["name"] for e in body["items"]] == ["later"])
