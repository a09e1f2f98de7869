"""Which service accounts may list the Secrets of their namespace: only their proxies are sent a ``credentialName``.

Istio asks the API server by SubjectAccessReview, and remembers a yes for five minutes and a no for one
(istio/istio, pilot/pkg/credentials/kube).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from labkit.kube import api, resources, status
from labkit.mesh import model, secrets

log = logging.getLogger("istiod")

REFUSAL_LASTS = 60.0
GRANT_LASTS = 300.0
"""Seconds for which an answer of the API server counts."""

ELSEWHERE = "cross namespace secret reference requires ReferencePolicy"
"""Istio's words where the account is not the reason."""

SHOWN = 2
"""Names in one line of the log."""


@dataclass(frozen=True, kw_only=True)
class _Answer:
    problem: str
    """Why not; empty for a yes."""

    until: float
    """When it is asked again, on the loop's clock."""


class SecretReaders:
    """The accounts that may; one that was never asked about may not."""

    def __init__(self, client: api.Api, clock: Callable[[], float]) -> None:
        self._client, self._clock = client, clock
        self._answers: dict[secrets.Account, _Answer] = {}
        self._told: set[tuple[str, tuple[str, ...], str]] = set()

    def __repr__(self) -> str:
        return f"SecretReaders({len(self._answers)} accounts)"

    def __contains__(self, account: object) -> bool:
        return self.problem(account) == ""

    def problem(self, account: object) -> str | None:
        """Why an account may not; empty where it may, None where nobody asked."""
        answer = self._answers.get(account)  # type: ignore[call-overload]
        return None if answer is None else str(answer.problem)

    def denied(self, proxy: model.Proxy, names: Sequence[str]) -> None:
        """Log which Secrets a proxy asks for and may not have: once, until the answer is another."""
        problem = self.problem((proxy.namespace, proxy.service_account)) or ELSEWHERE
        told = proxy.key, tuple(names), problem
        if told not in self._told:
            self._told.add(told)
            shown = names if len(names) <= SHOWN else [*names[:SHOWN], f"and {len(names) - SHOWN} others"]
            log.warning(
                "proxy %s attempted to access unauthorized certificates %s: %s", proxy.key, ", ".join(shown), problem
            )

    async def follow(self, accounts: Iterable[secrets.Account]) -> None:
        """Ask about those of whom no answer counts."""
        now = self._clock()
        due = {a for a in accounts if (answer := self._answers.get(a)) is None or answer.until <= now}
        await asyncio.gather(*(self._ask(account) for account in due))

    async def _ask(self, account: secrets.Account) -> None:
        namespace, name = account
        attributes = {"namespace": namespace, "verb": "list", "resource": "secrets"}
        spec = {"user": f"system:serviceaccount:{namespace}:{name}", "resourceAttributes": attributes}
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        try:
            answer = (await self._client.create(resources.SUBJECT_ACCESS_REVIEWS, review)).get("status") or {}
        except (status.StatusError, OSError, TimeoutError) as e:
            problem = str(e)
        else:
            reason = answer.get("reason", "")
            problem = "" if answer.get("allowed") else f"{name}/{namespace} is not authorized to read secrets: {reason}"
        lasts = REFUSAL_LASTS if problem else GRANT_LASTS
        self._answers[account] = _Answer(problem=problem, until=self._clock() + lasts)
