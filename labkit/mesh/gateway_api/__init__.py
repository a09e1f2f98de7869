"""The Gateway API: its objects become Istio's own, as istiod does inside.

``convert(snapshot)`` gives VirtualServices, Gateways, statuses and the Deployments of Gateways;
``expanded(snapshot, converted)`` is the snapshot with the first two in it, to be translated like any other.

What is special about converted objects is said in their annotations, in the names that istiod uses inside:

* ``internal.istio.io/route-semantics: gateway`` on a VirtualService: a ``prefix`` is one of whole path elements
  (``path_separated_prefix``, save for ``/``); routes answer 500 where their cluster is missing
  (``cluster_not_found_response_code``); the destination host ``UnknownService`` is a cluster by itself;
  in the mesh it comes before every VirtualService of the same host (it stands first and has no creation time);
* ``internal.istio.io/gateway-service: HOST`` on a Gateway: only pods in the namespace of that Service serve it;
* ``internal.istio.io/parents: HTTPRoute/rt.default``: which objects it was made of, for whoever attributes a fault.
"""

from labkit.mesh.gateway_api.converting import PARENTS, SEMANTICS, SERVICE, Converted, Key, convert, expanded
from labkit.mesh.gateway_api.scene import CLASSES, CONTROLLER, GROUP
from labkit.mesh.gateway_api.unsupported import findings as unsupported

__all__ = [
    "CLASSES",
    "CONTROLLER",
    "GROUP",
    "PARENTS",
    "SEMANTICS",
    "SERVICE",
    "Converted",
    "Key",
    "convert",
    "expanded",
    "unsupported",
]
