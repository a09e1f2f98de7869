"""Certificates of proxies: each proxy has a key of its own, renewed at half its life and sent by SDS."""

import base64
import datetime
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from labkit.mesh import model
from labkit.sandbox.istiod import authority, messages

log = logging.getLogger(__name__)

Name = tuple[str, str]
"""Namespace and pod; or namespace and ``ACCOUNT`` with a service account, whose pods share a node's proxy."""

ACCOUNT = "sa/"


@dataclass(frozen=True, kw_only=True)
class _Identity:
    """One proxy's certificate, encoded: every push asks for it."""

    secret: bytes
    account: str
    renewal: datetime.datetime
    """When half of its life is over, as Istio's agent has it (``SECRET_GRACE_PERIOD_RATIO`` of 0.5)."""


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Identities:
    """The secrets of every proxy; in Istio the agent beside each Envoy has them."""

    def __init__(
        self,
        root: authority.Authority,
        lifetimes: authority.Lifetimes = authority.Lifetimes(),  # noqa: B008, a frozen record
        *,
        clock: Callable[[], datetime.datetime] = _now,
        on_issue: Callable[[], None] = lambda: None,
    ) -> None:
        self._lifetimes, self._clock, self._on_issue = lifetimes, clock, on_issue
        self._identities: dict[Name, _Identity] = {}
        self._refused: set[tuple[Name, str]] = set()
        self.sign_by(root)

    def __repr__(self) -> str:
        return f"Identities({len(self._identities)} proxies)"

    def __len__(self) -> int:
        return len(self._identities)

    def sign_by(self, root: authority.Authority) -> None:
        """Sign by another authority from now on: certificates that are out stay until their renewal."""
        self._root = root
        trusted = {"trusted_ca": {"inline_bytes": _bytes(root.root)}}
        self._trusted = messages.encoded("secrets", {"name": "ROOTCA", "validation_context": trusted})

    def secrets(self, proxy: model.Proxy, trust_domain: str = model.TRUST_DOMAIN) -> Mapping[str, bytes]:
        """``default``, the proxy's own certificate, and ``ROOTCA``.

        A proxy that asks for too long a life gets none, and stays unready as beside Istio's agent.
        """
        key = proxy.namespace, proxy.name
        identity = self._identities.get(key)
        if identity is None or identity.account != proxy.service_account or identity.renewal <= self._clock():
            try:
                identity = self._identities[key] = self._new(proxy, trust_domain)
            except authority.LifetimeError as e:
                self._say_once(key, str(e))
                return {"ROOTCA": self._trusted}
            self._on_issue()
        return {"default": identity.secret, "ROOTCA": self._trusted}

    def of_account(
        self, name: str, namespace: str, account: str, trust_domain: str, *, certificate_of: model.Proxy
    ) -> bytes | None:
        """A certificate that a node's proxy holds for the pods of a service account, as a secret of this name.

        It has the life that the node's proxy asks for; None where that is too long.
        """
        key = namespace, ACCOUNT + account
        identity = self._identities.get(key)
        if identity is None or identity.renewal <= self._clock():
            holder = replace(certificate_of, name=ACCOUNT + account, namespace=namespace, service_account=account)
            try:
                identity = self._identities[key] = self._new(holder, trust_domain, name)
            except authority.LifetimeError as e:
                self._say_once(key, str(e))
                return None
            self._on_issue()
        return identity.secret

    def due(self) -> set[Name]:
        """The proxies whose certificates are to be renewed now."""
        now = self._clock()
        return {name for name, identity in self._identities.items() if identity.renewal <= now}

    def seconds_to_renewal(self) -> float | None:
        """Until the first renewal; None while there is no certificate."""
        first = min((identity.renewal for identity in self._identities.values()), default=None)
        return None if first is None else max(0.0, (first - self._clock()).total_seconds())

    def keep(self, names: Collection[Name]) -> None:
        """Forget the keys of all other proxies: they left."""
        self.forget({n for n in self._identities.keys() - set(names) if not is_account(n)})

    def forget(self, names: Collection[Name]) -> None:
        """Forget the keys of these proxies; one that comes back gets a new one."""
        for name in names:
            self._identities.pop(name, None)

    def _new(self, proxy: model.Proxy, trust_domain: str, name: str = "default") -> _Identity:
        life = self._lifetimes.of(proxy.certificate_seconds)
        own = self._root.workload(proxy.namespace, proxy.service_account, life=life, trust_domain=trust_domain)
        certificate = {
            "certificate_chain": {"inline_bytes": _bytes(own.chain)},
            "private_key": {"inline_bytes": _bytes(own.key)},
        }
        secret = messages.encoded("secrets", {"name": name, "tls_certificate": certificate})
        now = self._clock()
        return _Identity(secret=secret, account=proxy.service_account, renewal=now + (own.expires - now) / 2)

    def _say_once(self, name: Name, problem: str) -> None:
        if (name, problem) not in self._refused:
            self._refused.add((name, problem))
            log.error("%s/%s gets no certificate: %s. Its SECRET_TTL says how long it asks for", *name, problem)


def is_account(name: Name) -> bool:
    """Whether it stands for a service account, not for a pod."""
    return name[1].startswith(ACCOUNT)


def _bytes(text: str) -> str:
    """Bytes as protobuf's JSON has them; a stock istioctl reads certificates in this form alone."""
    return base64.b64encode(text.encode()).decode()
