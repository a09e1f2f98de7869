"""What holds a namespace that does not go."""

from datetime import UTC, datetime, timedelta

import pytest

from labkit.base import errors
from labkit.lab import endings


class One:
    """A cluster with one namespace that stays."""

    def __init__(self, namespace):
        self._namespace = namespace

    def find(self, resource, name):
        return self._namespace


def stuck(seconds, **status):
    since = (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "metadata": {"name": "shop", "deletionTimestamp": since, "finalizers": ["example.org/hold"]},
        "status": status,
    }


REMAINING = {
    "type": "NamespaceContentRemaining",
    "status": "True",
    "message": "Some resources are remaining: gateways.networking.istio.io has 1 resource instances",
}


def test_one_that_is_stuck_is_told_at_once_with_what_holds_it():
    with pytest.raises(errors.SetupError) as refusal:
        endings.until_gone(One(stuck(600, conditions=[REMAINING])), "shop")
    text = str(refusal.value)
    assert "Namespace shop has been Terminating for 6" in text and "gateways.networking.istio.io has 1" in text
    assert "finalizer example.org/hold" in text and "kubectl get namespace shop" in text


def test_one_of_which_nothing_is_known_yet():
    assert endings.holds({}) == "its controller says nothing yet"
    assert endings.age({"metadata": {}}) == 0.0
