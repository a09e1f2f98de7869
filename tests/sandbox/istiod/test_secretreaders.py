"""Who may list Secrets: asked of the API server, and remembered."""

import asyncio
from typing import Any

import pytest

from labkit.kube import status
from labkit.mesh import model
from labkit.sandbox.istiod import secretreaders

ACCOUNT = ("edge", "gateway")
PROXY = model.Proxy(name="gateway-1", namespace="edge", role="router", ip="", service_account="gateway")


class Api:
    """An API server with one answer to reviews."""

    def __init__(self, *, allowed: bool = True, fault: Exception | None = None) -> None:
        self.allowed, self.fault, self.asked = allowed, fault, list[dict[str, Any]]()

    async def create(self, resource: Any, review: dict[str, Any]) -> Any:
        self.asked.append(review["spec"])
        if self.fault is not None:
            raise self.fault
        return {"status": {"allowed": self.allowed}}


def followed(api: Api, *times: float) -> secretreaders.SecretReaders:
    """What is remembered after the account was followed at each of these times."""
    now = [0.0]
    readers = secretreaders.SecretReaders(api, lambda: now[0])  # type: ignore[arg-type]
    for now[0] in times:
        asyncio.run(readers.follow([ACCOUNT]))
    return readers


def test_it_is_asked_as_istio_asks() -> None:
    api = Api()
    followed(api, 0)
    attributes = {"namespace": "edge", "verb": "list", "resource": "secrets"}
    assert api.asked == [{"user": "system:serviceaccount:edge:gateway", "resourceAttributes": attributes}]


@pytest.mark.parametrize(("allowed", "lasts"), [(True, 300), (False, 60)], ids=["a yes", "a no"])
def test_an_answer_counts_for_a_while(allowed: bool, lasts: float) -> None:
    kept, again = Api(allowed=allowed), Api(allowed=allowed)
    assert (ACCOUNT in followed(kept, 0, lasts - 1)) is allowed
    followed(again, 0, lasts)
    assert (len(kept.asked), len(again.asked)) == (1, 2)


def test_who_was_never_asked_about_may_not() -> None:
    assert ("edge", "other") not in followed(Api(), 0)


@pytest.mark.parametrize(
    ("api", "problem"),
    [
        (Api(allowed=False), "gateway/edge is not authorized to read secrets: "),
        (Api(fault=status.StatusError({"code": 403, "message": "istiod may not review"})), "istiod may not review"),
        (Api(), secretreaders.ELSEWHERE),
    ],
    ids=["a no", "an API server that refuses", "another namespace's Secret"],
)
def test_a_denial_is_logged_once_with_its_reason(api: Api, problem: str, caplog: pytest.LogCaptureFixture) -> None:
    readers = followed(api, 0)
    for _ in range(2):
        readers.denied(PROXY, ["a", "b", "c", "d"])
    (line,) = [record.message for record in caplog.records]
    assert line.startswith("proxy gateway-1.edge attempted to access unauthorized certificates a, b, and 2 others: ")
    assert problem in line
