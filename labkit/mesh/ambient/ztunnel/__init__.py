"""ztunnel's tables as the configuration of one Envoy, which stands in ztunnel's place on a node of the sandbox.

ztunnel itself is a program of its own, fed by WDS alone. Where no kernel redirects and no ztunnel runs, one Envoy for
all pods of the node does the same by the listeners and clusters that these modules write.
"""

from labkit.mesh.ambient.ztunnel.configuration import config, identities
from labkit.mesh.ambient.ztunnel.local import CAPTURED, LocalPod, declared_ports, kept, local_pods

__all__ = ["CAPTURED", "LocalPod", "config", "declared_ports", "identities", "kept", "local_pods"]
