"""What a real API server answered to a thousand requests, recorded, and what ours answers to the same."""

import gzip
import importlib.util
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType
from typing import Any

import pytest

from labkit.sandbox import support
from tests.sandbox.apiserver import control_plane

BOOK = Path(__file__).parents[4] / "shared" / "kube-answers"
DIFFERENCES = Path(__file__).with_name("known_differences.txt")

TOPICS = tuple(sorted(path.name.partition(".")[0] for path in BOOK.glob("*.json*")))
PATIENCE = 3.0
"""Seconds to wait where a case waits for a controller."""

TOGETHER = 12
"""Cases at a time: most of the time is spent waiting for watches to end."""

Failing = Callable[[str], set[str]]


def known_differences(topic: str) -> set[str]:
    """Cases of a topic that are answered otherwise, each with its reason in the file."""
    lines = [line.split(" | ") for line in DIFFERENCES.read_text().splitlines() if line and line[0] != "#"]
    return {case for of, case, reason in lines if of == topic and reason}


def cases(topic: str) -> list[dict[str, Any]]:
    path = next(BOOK.glob(f"{topic}.json*"))
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    found: list[dict[str, Any]] = json.loads(text)["cases"]
    return found


def replayer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("replay", BOOK / "replay.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.PATIENCE = PATIENCE
    return module


def _api(replay: ModuleType, kubeconfig: Path) -> Any:
    """The server of a kubeconfig, less its warnings of what a real server carries out and the sandbox does not."""

    class Api(replay.Api):  # type: ignore[misc, name-defined]
        def call(self, *args: Any, **named: Any) -> tuple[int, dict[str, Any], bytes]:
            status, headers, raw = super().call(*args, **named)
            kept = [text for text in headers.pop("Warning", []) if support.PREFIX not in text]
            return status, headers | ({"Warning": kept} if kept else {}), raw

    return Api(kubeconfig)


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Failing]:
    """Replays a topic; the names of cases that were answered otherwise."""
    replay = replayer()
    with control_plane.running(tmp_path_factory.mktemp("book")) as plane:
        apis = SimpleQueue[Any]()
        for _ in range(TOGETHER):
            apis.put(_api(replay, plane.kubeconfig))

        def differs(case: dict[str, Any]) -> bool:
            api = apis.get()
            try:
                # Entries of managedFields are in the order of their times, in whole seconds: a case that runs
                # from one second into the next sees another order, on a real server too.
                attempts = 5 if case.get("managed_fields") else 1
                return all(replay.replay(api, case) for _ in range(attempts))
            finally:
                apis.put(api)

        with ThreadPoolExecutor(TOGETHER) as pool:

            def failing(topic: str) -> set[str]:
                found = cases(topic)
                return {case["name"] for case, bad in zip(found, pool.map(differs, found), strict=True) if bad}

            yield failing
        for _ in range(TOGETHER):
            for connection in apis.get().kept.values():
                connection.close()


@pytest.mark.skipif(not TOPICS, reason="the recorded answers are not beside this checkout")
@pytest.mark.parametrize("topic", TOPICS or ["none"])
def test_answers_are_a_real_servers_but_for_the_known_differences(failing: Failing, topic: str) -> None:
    assert failing(topic) == known_differences(topic)
