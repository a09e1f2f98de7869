"""The condition that says how many proxies have an object."""

import asyncio
import contextlib

from labkit.kube import resources
from labkit.sandbox.istiod import distribution

NOW, THEN = "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"


def report(**changes):
    return {"included": True, "proxies": 7, "live": 7, "waiting": [], "refusing": []} | changes


def rule(**status):
    metadata = {"name": "reviews", "namespace": "default", "generation": 2, "resourceVersion": "9"}
    obj = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": metadata}
    return obj | ({"status": status} if status else {})


def test_everywhere_is_true_in_istios_words():
    state = distribution.condition(report())
    assert (state["type"], state["status"], state["message"]) == ("Reconciled", "True", "7/7 proxies up to date.")


def test_a_refusal_names_who_refuses():
    state = distribution.condition(report(live=6, refusing=["a.default"]))
    assert (state["status"], state["reason"]) == ("False", "Rejected")
    assert "6/7 proxies up to date. Refused by a.default" in state["message"]


def test_late_proxies_are_not_up_to_date_yet():
    state = distribution.condition(report(live=5, waiting=["a", "b"]))
    assert (state["status"], state["reason"]) == ("False", "Distributing")


def test_the_generation_is_what_kubectl_wait_goes_by():
    assert distribution.changed(rule(), report(), NOW)["status"]["observedGeneration"] == 2


def test_what_a_status_says_already_is_not_written_again():
    first = distribution.changed(rule(), report(), THEN)["status"]
    assert distribution.changed(rule(**first), report(), NOW) is None


def test_conditions_of_others_stay_and_an_unchanged_one_keeps_its_time():
    first = distribution.changed(rule(), report(), THEN)["status"]
    first["conditions"].insert(0, {"type": "Mine", "status": "True"})
    patch = distribution.changed(rule(**first) | {"metadata": rule()["metadata"] | {"generation": 3}}, report(), NOW)
    mine, ours = patch["status"]["conditions"]
    assert mine["type"] == "Mine"
    assert ours["lastTransitionTime"] == THEN


class Server:
    """Takes patches."""

    def __init__(self):
        self.patches = asyncio.Queue()

    async def patch(self, resource, name, namespace, body, *, subresource, manager):
        await self.patches.put((name, subresource, body["status"]["conditions"][0]["status"]))


async def reported(server, live):
    reporter = distribution.Reporter(server, lambda key, version: live)
    work = asyncio.create_task(reporter.run())
    reporter.note(resources.VIRTUAL_SERVICES, None, rule())
    live.update(report())
    reporter.news()
    patch = await asyncio.wait_for(server.patches.get(), 60)
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    return patch, repr(reporter)


def test_an_object_is_reported_once_its_last_proxy_answered():
    result, text = asyncio.run(reported(Server(), report(live=6, waiting=["a"])))
    assert result == ("reviews", "status", "True")
    assert text == "Reporter(0 objects to report on)"


def test_kinds_of_kubernetes_have_no_such_condition():
    reporter = distribution.Reporter(Server(), lambda key, version: report())
    reporter.note(resources.SERVICES, None, rule())
    assert repr(reporter) == "Reporter(0 objects to report on)"
