"""Fact 34: the way out, to a server that the mesh does not have. It is a pod of this cluster, so it works offline."""

from labkit.conformance.facts import clients
from labkit.conformance.facts.fact import Checks, Fact
from labkit.conformance.facts.ground import OUTSIDE, Ground
from labkit.conformance.facts.resilience import FORTIO
from labkit.install import istio

HOST = "outside.facts.test"
PORT = 8080
"""A port on which the mesh has a Service of its own (fortio's): only on such ports does Istio answer 502."""

TLS = 15017
"""istiod's webhooks: a port with TLS on every cluster, and as a pod's address no host of the mesh."""

HANDSHAKE_FAILED = 35
"""curl's exit code."""


def _egress(ground: Ground, checks: Checks) -> None:
    ground.deploy(FORTIO)
    ground.deploy("httpbin/httpbin.yaml", namespace=OUTSIDE)
    address = ground.address("app=httpbin", OUTSIDE)
    http = f"http://{address}:{PORT}/status/200"
    https = f"https://{ground.address('app=istiod', istio.NAMESPACE)}:{TLS}/"
    ground.rules()
    checks.equal("ALLOW_ANY: HTTP", clients.status(ground, http), "200")
    checks.equal("HTTPS exit", clients.curl(ground, "-k", https).code, 0)
    ground.rules("registry-only.yaml")
    checks.equal("REGISTRY_ONLY: HTTP", clients.status(ground, http), "502")
    checks.equal("HTTPS exit", clients.curl(ground, "-k", https).code, HANDSHAKE_FAILED)
    checks.say_how(ground)
    named = ("--resolve", f"{HOST}:{PORT}:{address}")
    entry = ground.filled("outside.yaml", {"ADDRESS": address})
    ground.rules("registry-only.yaml", entry)
    checks.equal("ServiceEntry", clients.status(ground, *named, f"http://{HOST}:{PORT}/status/200"), "200")
    ground.rules("registry-only.yaml", entry, "outside-timeout.yaml")
    code, seconds = clients.timed_status(ground, *named, f"http://{HOST}:{PORT}/delay/5")
    checks.equal("timeout 3 s on a delay of 5 s", code, "504")
    checks.between("after", seconds, 3.0, 5.0)


FACTS = (
    Fact(
        number=34,
        sentence="Who may be called outside: anybody, or only hosts of the registry; their routes have rules too.",
        asked="ALLOW_ANY 200; REGISTRY_ONLY 502, HTTPS exit 35; ServiceEntry 200; timeout 3 s gives 504",
        measure=_egress,
    ),
)
