"""A Service that remembers its callers."""

import pytest

from labkit.sandbox.network import affinity, routes


def service(**spec):
    ports = [{"name": "http", "port": 80}]
    pieces = [
        {"ports": [{"name": "http", "port": 8080}], "endpoints": [{"addresses": [f"127.66.0.{n}"]} for n in (2, 3, 4)]}
    ]
    obj = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"clusterIP": "10.96.0.7", "ports": ports, **spec}}
    return routes.service_of(obj, pieces)


STICKY = service(sessionAffinity="ClientIP")


def met(result, caller, times=3):
    leads = routes.Routes([result])
    return {leads.at_address("10.96.0.7", 80, caller=caller) for _ in range(times)}


def test_a_caller_meets_one_endpoint_again_and_again():
    assert len(met(STICKY, "127.66.0.9")) == 1
    assert len(met(service(), "127.66.0.9")) == 3


def test_callers_are_told_apart():
    leads = routes.Routes([STICKY])
    assert len({leads.at_address("10.96.0.7", 80, caller=f"127.66.0.{n}") for n in (8, 9, 10)}) == 3


@pytest.mark.parametrize(
    ("pause", "endpoints", "same"),
    [(59, ["a", "b"], True), (61, ["a", "b"], False), (1, ["b"], False)],
    ids=["in time", "too late", "its endpoint is gone"],
)
def test_a_caller_is_remembered_for_a_while(pause, endpoints, same):
    clock = iter((0.0, pause))
    sessions = affinity.Sessions(lambda: next(clock))
    others = iter((("a", 1), ("b", 1)))
    among = [(name, 1) for name in endpoints]
    first = sessions.endpoint("web", "me", seconds=60, among=[("a", 1)], otherwise=lambda: next(others))
    again = sessions.endpoint("web", "me", seconds=60, among=among, otherwise=lambda: next(others))
    assert (first == again) is same


def test_three_hours_unless_it_says_otherwise():
    config = {"clientIP": {"timeoutSeconds": 60}}
    assert affinity.seconds_of({"sessionAffinity": "ClientIP"}) == 10800
    assert affinity.seconds_of({"sessionAffinity": "ClientIP", "sessionAffinityConfig": config}) == 60
    assert affinity.seconds_of({"sessionAffinity": "None"}) == 0
