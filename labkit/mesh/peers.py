"""Whether a port takes mutual TLS: PeerAuthentication of the workload, its namespace, or the mesh."""

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh.model import Proxy, Snapshot


def mode(snapshot: Snapshot, proxy: Proxy, port: int) -> str:
    """STRICT, PERMISSIVE or DISABLE for one port of a pod."""
    found = snapshot.of("peerauthentications.security.istio.io")
    own = [p for p in found if resources.namespace_of(p) == proxy.namespace]
    workload = [p for p in own if _labels(p) and _labels(p).items() <= dict(proxy.labels).items()]
    levels = [
        workload,
        [p for p in own if not _labels(p)],
        [p for p in found if resources.namespace_of(p) == snapshot.root_namespace and not _labels(p)],
    ]
    for level in levels:
        for policy in sorted(level, key=lambda p: p["metadata"].get("creationTimestamp", "")):
            ports = policy["spec"].get("portLevelMtls") or {} if level is workload else {}
            said = (ports.get(str(port)) or policy["spec"].get("mtls") or {}).get("mode", "UNSET")
            if said != "UNSET":
                return str(said)
    return "PERMISSIVE"


def _labels(policy: Object) -> dict[str, str]:
    return (policy.get("spec", {}).get("selector") or {}).get("matchLabels") or {}
