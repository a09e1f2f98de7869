"""The pods of a node that the node's Envoy speaks for."""

from collections.abc import Iterator
from dataclasses import dataclass

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model, names
from labkit.mesh.place import announced_socket

CAPTURED = "labkit.dev/ambient-ports"
"""The annotation by which the sandbox's istio-cni tells istiod that the node is ready to hand a pod over.

Its value names the TCP ports that the node's Envoy takes over from the pod's programs: ``9080,9090``, or nothing.
"""


@dataclass(frozen=True, kw_only=True)
class LocalPod:
    """One pod that is in ambient, or about to be."""

    name: str
    namespace: str
    uid: str
    ip: str
    account: str
    workload: str
    """The pod's row in the table of workloads."""

    ports: tuple[int, ...]
    """TCP ports at which the node's Envoy listens for it."""

    own_ports: tuple[int, ...] = ()
    """Declared TCP ports at which the pod's programs listen at its address themselves, for want of knowing better."""

    domain: str = model.TRUST_DOMAIN

    @property
    def identity(self) -> str:
        """``spiffe://cluster.local/ns/amb/sa/curl``; also the name of its certificate."""
        return names.spiffe(f"{self.namespace}/{self.account}", self.domain)

    def socket(self, name: str) -> str:
        """The path of a socket of the pod's folder, from the folder of the node's Envoy."""
        return f"../../{self.uid}/run/{name}"

    def app(self, port: int) -> str:
        """Where the program listens that serves a port, and is told who calls."""
        return self.socket(announced_socket(port))


def local_pods(snapshot: model.Snapshot, node: str) -> Iterator[LocalPod]:
    """The pods of a node that its istio-cni has announced."""
    domain = model.trust_domain(snapshot.mesh_config)
    for pod in snapshot.of("pods"):
        ports = resources.annotations_of(pod).get(CAPTURED)
        address = (pod.get("status") or {}).get("podIP")
        spec = pod.get("spec") or {}
        if ports is None or not address or spec.get("nodeName") != node or _is_over(pod):
            continue
        name, namespace = resources.name_of(pod), resources.namespace_of(pod)
        taken = {int(port) for port in ports.split(",") if port.strip().isdecimal()}
        yield LocalPod(
            name=name,
            namespace=namespace,
            uid=resources.uid_of(pod),
            ip=address,
            account=spec.get("serviceAccountName") or "default",
            workload=f"{names.CLUSTER}//Pod/{namespace}/{name}",
            ports=tuple(sorted(taken)),
            own_ports=tuple(sorted(declared_ports(pod) - taken)),
            domain=domain,
        )


def declared_ports(pod: Object) -> set[int]:
    """The TCP ports that a pod's containers name."""
    every = (p for c in (pod.get("spec") or {}).get("containers") or () for p in c.get("ports") or ())
    return {int(p["containerPort"]) for p in every if p.get("protocol", "TCP") == "TCP"}


def kept_ports(pod: Object) -> set[int]:
    """Declared ports that the programs of a ready pod in ambient have not handed over."""
    annotations, conditions = resources.annotations_of(pod), (pod.get("status") or {}).get("conditions") or ()
    is_ready = any(c.get("type") == "Ready" and c.get("status") == "True" for c in conditions)
    if CAPTURED not in annotations or not is_ready:
        return set()
    return declared_ports(pod) - {int(port) for port in annotations[CAPTURED].split(",") if port.isdecimal()}


def kept(pod: Object) -> str:
    """What that means, in a sentence; empty where every declared port was handed over."""
    ports = ", ".join(map(str, sorted(kept_ports(pod))))
    return KEPT.format(ports=ports, name=resources.name_of(pod), namespace=resources.namespace_of(pod)) if ports else ""


KEPT = (
    "port {ports} of the pod was not handed over to ztunnel: a program that started before ambient was installed keeps "
    "its port, and plaintext gets past ztunnel and its policies. Next: kubectl -n {namespace} delete pod {name}"
)


def _is_over(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
