"""Bookinfo's Gateway and the address it is reached at."""

import urllib.error
import urllib.request

from labkit.base import settings, waiting
from labkit.install import addresses, istio, ownership
from labkit.kube import client, manifests
from labkit.kube.resources import Object

MANIFEST = settings.CHECKOUT / "notebooks" / "manifests" / "bookinfo-gateway.yaml"
SERVICE = "istio-ingressgateway"
HTTP_PORT = 80
TIMEOUT = 30.0
OK = "status 200"
REFUSALS = ("status 401", "status 403", "status 418", "status 429")
"""Answers by which a policy, a token's check or a rate limit refuses; 404 and 503 may still change."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Never through a proxy of this machine: the gateway is on loopback or in the user's own network."""


def objects() -> list[Object]:
    """The Gateway and the VirtualService bound to it."""
    return manifests.read(MANIFEST)


def expose(api: client.Client, namespace: str, *, on_step: istio.OnStep = lambda _: None) -> str:
    """Apply the gateway and wait until the product page answers; its address. Safe to repeat.

    A refusal, as of a policy or a rate limit that somebody applied, is an answer too: ``note`` tells it.
    """
    on_step(f"kubectl apply -n {namespace} -f manifests/bookinfo-gateway.yaml")
    if names := ownership.apply(api, objects(), namespace=namespace):
        on_step(ownership.left_alone(names))
    address = waiting.until(
        lambda: url(api),
        what="the gateway's address",
        timeout=TIMEOUT,
        next_step=f"kubectl -n {istio.NAMESPACE} get svc {SERVICE}",
    )
    waiting.until(
        lambda: is_answer(seen(f"{address}/productpage")),
        what=f"Bookinfo at {address}/productpage",
        timeout=TIMEOUT,
        next_step=f"kubectl -n {namespace} get pods,gateways,virtualservices",
        every=0.02,
        show=lambda _: seen(f"{address}/productpage"),
    )
    return str(address)


def url(api: client.Client, *, name: str = SERVICE, namespace: str = istio.NAMESPACE) -> str | None:
    """``http://ADDRESS:PORT`` of a gateway's Service, the ingress gateway's if not another; None while it has none."""
    is_ingress = (name, namespace) == (SERVICE, istio.NAMESPACE)
    address = addresses.find(api, name, namespace, port=HTTP_PORT, is_ingress=is_ingress)
    if address is None:
        return None
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}" if port == HTTP_PORT else f"http://{shown}:{port}"


def answers(address: str) -> bool:
    """Whether it answers 200."""
    return seen(address) == OK


def is_answer(told: str) -> bool:
    """Whether it is of Bookinfo or of a rule: nobody listens, or no route leads there, where it is not."""
    return told == OK or told in REFUSALS


def note(address: str) -> str:
    """The sentence for a product page that somebody's rule keeps back; empty where it answers 200."""
    told = seen(f"{address}/productpage")
    if told == OK:
        return ""
    return f"The product page answers with {told}, as rules that were applied decide; lab.reset() takes them back."


def seen(address: str) -> str:
    """What it answers: ``status 404``, or why nothing comes."""
    try:
        with _DIRECT.open(address, timeout=10) as reply:
            return f"status {reply.status}"
    except urllib.error.HTTPError as e:
        with e:
            return f"status {e.code}"
    except (urllib.error.URLError, OSError) as e:
        return str(getattr(e, "reason", e))
