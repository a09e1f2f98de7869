"""istio-cni's part in a pod's start: in ambient no container begins before the node redirects the pod.

The runtime calls CNI plugins while it makes a pod's sandbox, and istio-cni's answers once ztunnel has the pod. So
whoever hears that the pod is ready has also heard that it speaks HBONE.
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING

from labkit.kube import resources, status
from labkit.mesh.ambient import enrolment
from labkit.sandbox.kubelet import node

if TYPE_CHECKING:
    from labkit.sandbox.kubelet.pod import Pod

WITHIN = 10.0
"""Seconds after which an attempt has failed, which an Event says; the next attempt begins at once."""

LOOK_AGAIN = 1.0
"""Seconds between two looks at the labels, which may have changed meanwhile."""

FAILED = (
    "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "
    '"{uid}": plugin type="istio-cni" name="istio-cni" failed (add): istio-cni cmdAdd failed to contact node Istio '
    "CNI agent: {why}"
)
"""As kubelet, containerd and istio-cni word it together (istio/istio, issues 53843 and 51847)."""


async def until_enrolled(pod: "Pod", *, within: float = WITHIN, look_again: float = LOOK_AGAIN) -> None:
    """Wait until the node redirects a pod that belongs to ambient; return at once for any other pod."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    if enrolment.is_redirected(pod.pod):
        return  # It was enrolled before the sandbox was started again.
    while not pod.redirected.is_set() and await _belongs(pod):
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(pod.redirected.wait(), look_again)
        if not pod.redirected.is_set() and loop.time() - began >= within:
            began = loop.time()
            why = pod.shared.networks.obstacle()
            message = FAILED.format(uid=resources.uid_of(pod.pod), why=why)
            pod.event("FailedCreatePodSandBox", message, type="Warning")


async def _belongs(pod: "Pod") -> bool:
    """Whether istio-cni's plugin would redirect the pod now."""
    if node.has_proxy(pod.pod) or not await pod.shared.networks.has_ambient():
        return False
    try:
        namespace = await pod.shared.client.get(resources.NAMESPACES, resources.namespace_of(pod.pod))
    except status.NotFound:
        namespace = None
    return enrolment.of(pod.pod, namespace).is_enrolled
