"""Memory limits."""

import os

import pytest

from labkit.sandbox.kubelet import memory


@pytest.mark.parametrize(
    ("resources", "most"),
    [
        ({"limits": {"memory": "50Mi"}}, 50 * 2**20),
        ({"limits": {"cpu": "1"}}, None),
        ({"requests": {"memory": "1Gi"}}, None),
        ({}, None),
        (None, None),
    ],
)
def test_only_a_limit_of_memory_limits(resources, most):
    assert memory.limit({"resources": resources}) == most


def test_a_process_holds_more_than_a_page_and_less_than_a_terabyte():
    assert memory.exceeds(os.getpid(), 4096)
    assert not memory.exceeds(os.getpid(), 2**40)
