"""Who a proxy is: its token says so, and its pod must be the one it claims to be."""

from collections.abc import Mapping
from typing import Any

from labkit.kube import api, resources, status
from labkit.kube.resources import Object
from labkit.mesh import captured_ports, durations, model, place
from labkit.mesh.hosts import workloads
from labkit.sandbox.istiod import following

AUDIENCE = "istio-ca"
POD = "authentication.kubernetes.io/pod-name"
"""In the review of a token: whose volume it was made for (kubernetes.io, Managing Service Accounts)."""

PROXY, LIFE, DAY = "istio-proxy", "SECRET_TTL", 86400.0
"""The container of the agent, its variable for the life of a certificate, and what it asks for without one."""

NODE_IP = "LABKIT_NODE_IP"
"""In the metadata of a sandbox's Envoy: where node ports are served."""


class Authenticator:
    """Asks the API server about tokens."""

    def __init__(self, client: api.Api, followed: following.Following) -> None:
        self._client, self._followed = client, followed

    async def proxy(self, metadata: Mapping[str, str], node: Mapping[str, Any]) -> model.Proxy:
        """The proxy that holds the token; PermissionError when there is none."""
        token = str(metadata.get("authorization", "")).removeprefix("Bearer ")
        namespace, account, bound = await self.account(token)
        role, ip, name, _ = node["id"].split("~")
        pod_name, _, pod_namespace = name.partition(".")
        pod = await self._pod(pod_namespace, pod_name)
        if pod_namespace != namespace or pod["spec"].get("serviceAccountName", "default") != account:
            raise PermissionError(f"{name} is not a pod of service account {namespace}/{account}")
        if bound not in ("", pod_name):
            raise PermissionError(f"the token is that of pod {bound}, not of {pod_name}")
        if (address := (pod.get("status") or {}).get("podIP")) and address != ip:
            raise PermissionError(f"{name} has the address {address}, not {ip}")
        texts = {key: value for key, value in (node.get("metadata") or {}).items() if isinstance(value, str)}
        return model.Proxy(
            name=pod_name,
            namespace=namespace,
            role=role,
            ip=ip,
            labels=resources.labels_of(pod),
            service_account=account,
            certificate_seconds=_certificate_seconds(pod),
            version=texts.get("ISTIO_VERSION", ""),
            metadata=texts,
            workload=workloads.name_of(pod),
            place=_place(pod, ip, node.get("metadata") or {}),
        )

    async def account(self, token: str) -> tuple[str, str, str]:
        """Namespace and service account, and the pod that the token is bound to, if it is."""
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [AUDIENCE]},
        }
        answer = (await self._client.create(resources.TOKEN_REVIEWS, review)).get("status") or {}
        review_status = answer.get("user") or {}
        user = review_status.get("username", "").split(":")
        if not answer.get("authenticated") or len(user) != 4:
            raise PermissionError(f"the token is not one of a service account for {AUDIENCE}")
        bound = next(iter((review_status.get("extra") or {}).get(POD, ())), "")
        return user[2], user[3], bound

    async def _pod(self, namespace: str, name: str) -> Object:
        pod = self._followed.get(resources.PODS, name, namespace)
        if pod is not None:
            return pod
        try:
            return await self._client.get(resources.PODS, name, namespace)
        except status.StatusError as e:
            raise PermissionError(f"there is no pod {namespace}/{name}") from e


def _certificate_seconds(pod: Object) -> float:
    """What Istio's agent asks for: ``SECRET_TTL`` in the proxy's container, a day by default."""
    containers = (*(pod["spec"].get("initContainers") or ()), *(pod["spec"].get("containers") or ()))
    variables = {e["name"]: e for c in containers if c.get("name") == PROXY for e in c.get("env") or ()}
    text = str(variables.get(LIFE, {}).get("value") or "")
    return durations.seconds(text) if text else DAY


def _place(pod: Object, ip: str, metadata: Mapping[str, Any]) -> place.Place | None:
    """Where the proxy of a sandbox's pod runs; None for one of any other cluster."""
    if NODE_IP not in metadata:
        return None
    declared = (p for c in pod["spec"].get("containers") or [] for p in c.get("ports") or [])
    return place.Place(
        ip=ip,
        ports=frozenset(int(p["containerPort"]) for p in declared if p.get("protocol", "TCP") == "TCP"),
        captured=captured_ports.of_pod(pod).inbound,
        node_ip=str(metadata[NODE_IP]),
    )
