"""Mutual TLS as a check sees it: the mode of a workload's ports, the policy behind it, and policies without effect."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.exercises.diagnosis import cause, objects
from labkit.exercises.evidence import Evidence
from labkit.kube import resources
from labkit.kube.resources import Object, Resource
from labkit.mesh.explain import mutual_tls
from labkit.mesh.model import Snapshot
from labkit.mesh.policies import peer_authentication, selection

ROOT = "istio-system"
READ = (
    resources.SERVICES,
    resources.ENDPOINT_SLICES,
    resources.PODS,
    resources.PEER_AUTHENTICATIONS,
    resources.DESTINATION_RULES,
)
SHOWN = 'lab.mtls("{}")'


@dataclass(frozen=True, kw_only=True)
class Encryption:
    """What policies and rules make of the mesh's ports."""

    snapshot: Snapshot
    namespace: str

    @property
    def policies(self) -> Sequence[Object]:
        """Every PeerAuthentication."""
        return self.snapshot.of(peer_authentication.RESOURCE)

    def ports(self, service: str) -> list[mutual_tls.Port]:
        """Of a Service of the course's namespace."""
        host = mutual_tls.host_of(service, self.namespace)
        return mutual_tls.of_host(self.snapshot, host, client=self.namespace)

    def modes(self, labels: Mapping[str, str]) -> peer_authentication.Modes:
        """Of the course's pods with these labels."""
        return peer_authentication.modes(self.policies, root=ROOT, namespace=self.namespace, labels=labels)

    def of_mode(self, service: str, asked: str) -> list[cause.Cause]:
        """Why a Service's ports do not have the mode that is asked for; nothing where all have."""
        ports = self.ports(service)
        if not ports:
            return [cause.shown(f"no pod of {service} is ready", 'lab.kubectl("get pods")')]
        wrong = next((port for port in ports if port.mode != asked), None)
        if wrong is None:
            return []
        why = f"port {wrong.port} of {service} is {wrong.mode}, not {asked} ({wrong.decided_by})"
        return [*self.silent(service), cause.shown(why, SHOWN.format(service))]

    def silent(self, service: str) -> list[cause.Cause]:
        """Policies that look as if they were meant for a Service's pods and have no effect on them."""
        every = [why for policy in self.policies if (why := self._silence(policy, service))]
        return [cause.silent(why) for why in every]

    def _silence(self, policy: Object, service: str) -> str:
        title, chosen = objects.title(policy), selection.selector(policy)
        place = resources.namespace_of(policy)
        if chosen is None and place == self.namespace:
            older = next((p for p in self.policies if self._is_older(p, policy)), None)
            wide = f"{title} has no selector, so it is for the whole namespace, where the older"
            return f"{wide} {objects.title(older)} decides" if older else ""
        if chosen is None:
            return "" if place == ROOT else f"{title} is in another namespace than {service}"
        if place == ROOT:
            return f"{title} selects workloads of {ROOT} alone, and there a selector has no effect"
        if place != self.namespace:
            return f"{title} selects pods of its own namespace, and {service} is in {self.namespace}"
        if not any(chosen.items() <= labels.items() for labels in self._labels()):
            apps = [labels.get("app", "") for labels in self._labels()]
            guess = objects.did_you_mean(chosen.get("app", ""), apps)
            return f"{title} selects {objects.pairs(chosen)}, and no pod has these labels{guess}"
        return self._hidden(policy, service) or self._undecided(policy, chosen, service)

    def _is_older(self, other: Object, policy: Object) -> bool:
        """Whether another policy of the same namespace without a selector came before this one."""
        is_alike = selection.selector(other) is None and resources.namespace_of(other) == resources.namespace_of(policy)
        return is_alike and other is not policy and selection.age(other) < selection.age(policy)

    def _undecided(self, policy: Object, chosen: Mapping[str, str], service: str) -> str:
        """A policy for these pods that says nothing about the port that they listen at."""
        own = {labels.get("app") for labels in self._labels() if chosen.items() <= labels.items()}
        spec, ports = objects.spec_of(policy), {port.port for port in self.ports(service)}
        if service not in own or (spec.get("mtls") or {}).get("mode", "UNSET") != "UNSET":
            return ""
        if by_port := {int(number) for number in spec.get("portLevelMtls") or {}}:
            told, has = ", ".join(map(str, sorted(by_port))), ", ".join(map(str, sorted(ports)))
            wrong = f"{objects.title(policy)} speaks of port {told}, and the pods of {service} listen at {has}"
            return "" if by_port & ports else wrong
        return f"{objects.title(policy)} sets no mode, so the pods of {service} have that of the namespace"

    def _hidden(self, policy: Object, service: str) -> str:
        for labels in self._labels():
            asked: dict[str, Any] = {"root": ROOT, "namespace": self.namespace, "labels": labels}
            older = peer_authentication.unused(self.policies, **asked).get(peer_authentication.full_name(policy))
            if older and labels.get("app") == service:
                return f"{objects.title(policy)} has no effect on {service}: {older} selects its pods too and is older"
        return ""

    def _labels(self) -> list[Mapping[str, str]]:
        pods = self.snapshot.of("pods")
        return [resources.labels_of(pod) for pod in pods if resources.namespace_of(pod) == self.namespace]


def read(evidence: Evidence) -> Encryption:
    """As it is now."""
    listed = {_key(kind): evidence.everywhere(kind) for kind in READ}
    return Encryption(snapshot=Snapshot(objects=listed), namespace=evidence.namespace)


def _key(kind: Resource) -> str:
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural
