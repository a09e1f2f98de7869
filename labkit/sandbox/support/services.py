"""Fields of Services."""

from collections.abc import Mapping

from labkit.sandbox.support.entries import Fields, Unless

_LOOPBACK = "the sandbox answers on loopback addresses of this machine only"
_ONE_NODE = "the sandbox has one node"

STRUCTS: Mapping[str, Fields] = {
    "ServiceSpec": Fields(
        carried_out="ports selector clusterIP clusterIPs type externalName allocateLoadBalancerNodePorts"
        " publishNotReadyAddresses sessionAffinity sessionAffinityConfig",
        # On one node the endpoints of the node are all endpoints.
        moot="externalTrafficPolicy internalTrafficPolicy trafficDistribution healthCheckNodePort ipFamilies",
        without_effect={
            "externalIPs": _LOOPBACK,
            "ipFamilyPolicy": Unless(values=("SingleStack", "PreferDualStack"), reason="the sandbox has IPv4 alone"),
            "loadBalancerClass": "the sandbox has no load balancers to choose from",
            "loadBalancerIP": _LOOPBACK,
            "loadBalancerSourceRanges": "the sandbox does not tell callers apart by address",
        },
    ),
    "SessionAffinityConfig": Fields(carried_out="clientIP"),
    "ClientIPConfig": Fields(carried_out="timeoutSeconds"),
    "ServicePort": Fields(
        carried_out="name appProtocol port targetPort nodePort",
        without_effect={"protocol": Unless(values=("TCP",), reason="the sandbox forwards TCP alone")},
    ),
}
"""Go struct → its fields."""
