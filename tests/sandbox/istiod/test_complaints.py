"""What istiod says on an object that a proxy does not take."""

import asyncio
import logging
from typing import Any

import pytest

from labkit.kube import resources
from labkit.sandbox.istiod import ads, complaints
from tests.sandbox.istiod import proxies

RULE = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "reviews", "namespace": "default", "uid": "u", "resourceVersion": "5"},
}


class Written:
    """An API that keeps what is created."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    async def create(self, resource: resources.Resource, obj: dict[str, Any], *, manager: str = "") -> dict[str, Any]:
        self.events.append(obj)
        return obj


def events_of(*refusals: ads.Refusal) -> list[dict[str, Any]]:
    """The Events that follow."""

    async def scene() -> list[dict[str, Any]]:
        api = Written()
        complaint = complaints.Complaints(api)
        for refusal in refusals:
            complaint.refused(refusal, [RULE])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return api.events

    return asyncio.run(scene())


def refusal(proxy: str, text: str = "no such thing") -> ads.Refusal:
    return ads.Refusal(proxy=proxies.proxy(proxy), kind="routes", names=("http_proxy",), text=text)


def test_an_event_names_the_object_the_proxy_and_what_is_wrong() -> None:
    event = events_of(refusal("web"))[0]
    assert event["involvedObject"]["name"] == "reviews"
    assert event["message"] == "Envoy of default/web keeps its last good routes http_proxy: no such thing"
    assert event["type"] == "Warning"


def test_one_event_is_enough_however_many_proxies_agree() -> None:
    assert len(events_of(refusal("web"), refusal("other"), refusal("web"))) == 1


def test_a_proxy_that_refuses_the_same_again_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="istiod"):
        events_of(refusal("web"), refusal("web"), refusal("other"))
    assert len([r for r in caplog.records if r.name == "istiod"]) == 2


def test_only_the_part_that_says_what_is_wrong_is_told() -> None:
    long = (
        "Error adding/updating listener(s) a: Proto constraint validation failed (RouteValidationError.Match: none): x"
    )
    assert events_of(refusal("web", text=long))[0]["message"].endswith(" routes http_proxy: Route.Match: none")


def test_a_reason_that_was_cut_off_is_looked_for_in_the_log() -> None:
    event = events_of(refusal("web", text='name: "a"\nvirtual_hosts {\n'))[0]
    assert event["message"].endswith(": the log of its istio-proxy says why")
