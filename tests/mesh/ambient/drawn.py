"""L4 policies and connections drawn at random, from words that meet each other often."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from labkit.kube.resources import Object
from tests.mesh.ambient.standing import OTHER, PORT

ACCOUNTS = ("amb/curl", "amb/web", "shop/curl", "shop/till")
"""Callers: namespace and service account."""

PRINCIPALS = (
    *(f"cluster.local/ns/{a.replace('/', '/sa/')}" for a in ACCOUNTS),
    "*", "cluster.local/ns/amb/*", "*/sa/curl", "cluster.local/*", "*l", "other.local/ns/amb/sa/curl",
)  # fmt: skip
NAMESPACES = ("amb", "shop", "a*", "*op", "*", "none")
NAMES = ("curl", "shop/curl", "amb/web", "shop/till", "till")
PORTS = (str(PORT), str(OTHER), "7000")
METHODS = ("GET", "POST")


def ranges(block: int) -> Sequence[str]:
    """Of the addresses of a block of pods."""
    return (f"127.{block}.0.0/16", f"127.{block}.0.0/25", f"127.{block}.0.2", "10.0.0.0/8", "192.0.2.7", "127.0.0.0/8")


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Chances, and what depends on the addresses in use."""

    random: random.Random
    ranges: Sequence[str]

    def some(self, values: Sequence[str], most: int = 2) -> list[str]:
        """One value or a few."""
        return self.random.sample(list(values), self.random.randint(1, most))

    def fields(self, words: Mapping[str, Sequence[str]], most: int = 2) -> dict[str, list[str]]:
        """Some of the fields, each or its negation."""
        chosen = self.random.sample(list(words), self.random.randint(1, min(most, len(words))))
        return {self._maybe_not(word): self.some(words[word]) for word in chosen}

    def _maybe_not(self, word: str) -> str:
        return f"not{word[0].upper()}{word[1:]}" if self.random.random() < 0.3 else word

    def rule(self) -> Object:
        """Sources, operations and conditions; HTTP attributes now and then, as people write them."""
        rule: Object = {}
        if self.random.random() < 0.7:
            words = {"principals": PRINCIPALS, "namespaces": NAMESPACES, "ipBlocks": self.ranges}
            parts = [{"source": self._source(words)} for _ in range(self.random.randint(1, 2))]
            rule["from"] = parts
        if self.random.random() < 0.5:
            rule["to"] = [{"operation": self._operation()} for _ in range(self.random.randint(1, 2))]
        if self.random.random() < 0.3:
            rule["when"] = [self._condition() for _ in range(self.random.randint(1, 2))]
        return rule

    def _source(self, words: Mapping[str, Sequence[str]]) -> Object:
        if self.random.random() < 0.15:
            # Service accounts stand alone in Istio.
            return {"serviceAccounts": self.some(NAMES)}
        return self.fields(words)

    def _operation(self) -> Object:
        if self.random.random() < 0.2:
            both = self.random.random() < 0.5
            return {"methods": self.some(METHODS), **({"ports": self.some(PORTS)} if both else {})}
        return self.fields({"ports": PORTS})

    def _condition(self) -> Object:
        key, words = self.random.choice(
            [
                ("source.namespace", NAMESPACES),
                ("source.principal", PRINCIPALS),
                ("source.ip", self.ranges),
                ("destination.ip", self.ranges),
                ("destination.port", PORTS),
                ("request.headers[x]", ("a",)),
            ]
        )
        return {"key": key, self.random.choice(("values", "values", "notValues")): self.some(words, min(2, len(words)))}

    def policy(self, name: str, selector: Mapping[str, str] | None, namespace: str = "amb") -> Object:
        """An AuthorizationPolicy."""
        spec: Object = {"action": self.random.choice(("ALLOW", "ALLOW", "DENY"))}
        if selector is not None:
            spec["selector"] = {"matchLabels": dict(selector)}
        spec["rules"] = [self.rule() for _ in range(self.random.randint(0, 2))]
        return security("AuthorizationPolicy", name, namespace, spec)

    def peers(self, name: str, selector: Mapping[str, str]) -> Object:
        """A PeerAuthentication of one workload."""
        mode = self.random.choice(("STRICT", "PERMISSIVE", "DISABLE", "UNSET"))
        spec: Object = {"selector": {"matchLabels": dict(selector)}, "mtls": {"mode": mode}}
        if self.random.random() < 0.5:
            port = self.random.choice((PORT, OTHER))
            spec["portLevelMtls"] = {str(port): {"mode": self.random.choice(("STRICT", "PERMISSIVE"))}}
        return security("PeerAuthentication", name, "amb", spec)


def security(kind: str, name: str, namespace: str, spec: Object) -> Object:
    metadata = {"name": name, "namespace": namespace, "creationTimestamp": "2026-11-01T00:00:00Z"}
    return {"apiVersion": "security.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def policies(draw: Draw, pods: Sequence[str]) -> Iterator[Object]:
    """Of single workloads mostly; a few of their namespace and of the mesh would decide everything."""
    for pod in pods:
        for number in range(draw.random.randint(0, 3)):
            yield draw.policy(f"{pod}-{number}", {"app": pod})
        if draw.random.random() < 0.3:
            yield draw.peers(f"{pod}-peers", {"app": pod})
