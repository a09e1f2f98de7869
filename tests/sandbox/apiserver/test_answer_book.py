"""What a real API server answered to a thousand requests, recorded, and what ours answers to the same."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from tests import recorded
from tests.sandbox.apiserver import control_plane, replaying

DIFFERENCES = Path(__file__).with_name("known_differences.txt")

TOPICS = tuple(path.removesuffix(".json") for path in recorded.KUBERNETES.paths())
PATIENCE = 120.0
"""Seconds to wait at most where a case waits for a controller, on a machine much slower than the recording's."""

TOGETHER = 12
"""Cases at a time: most of the time is spent waiting for watches to end."""

Differing = Callable[[str], set[str]]


def known_differences(topic: str) -> set[str]:
    """Cases of a topic that are answered otherwise, each with its reason in the file."""
    lines = [line.split(" | ") for line in DIFFERENCES.read_text().splitlines() if line and line[0] != "#"]
    return {case for of, case, reason in lines if of == topic and reason}


def cases(topic: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = recorded.KUBERNETES.json(f"{topic}.json")["cases"]
    return cases


@pytest.fixture(scope="module")
def differing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Differing]:
    """Replays a topic; the names of cases that were answered otherwise."""
    with control_plane.running(tmp_path_factory.mktemp("book")) as plane:
        apis = SimpleQueue[replaying.Api]()
        for _ in range(TOGETHER):
            apis.put(replaying.Api(plane.kubeconfig, patience=PATIENCE))

        def differs(case: dict[str, Any]) -> bool:
            api = apis.get()
            try:
                # Entries of managedFields are in the order of their times, in whole seconds: a case that runs
                # from one second into the next sees another order, on a real server too.
                attempts = 5 if case.get("managed_fields") else 1
                return all(replaying.differences(api, case) for _ in range(attempts))
            finally:
                apis.put(api)

        with ThreadPoolExecutor(TOGETHER) as pool:

            def differing(topic: str) -> set[str]:
                of_topic = cases(topic)
                verdicts = zip(of_topic, pool.map(differs, of_topic), strict=True)
                return {case["name"] for case, is_different in verdicts if is_different}

            yield differing
        for _ in range(TOGETHER):
            apis.get().close()


@pytest.mark.parametrize("topic", TOPICS)
def test_answers_are_a_real_servers_but_for_the_known_differences(differing: Differing, topic: str) -> None:
    assert differing(topic) == known_differences(topic)
