"""Facts 36 and 37: what ``istioctl analyze`` says of applied objects and of files, and what a cleanup may take away."""

import json
import re
from collections.abc import Mapping

from labkit.base import waiting
from labkit.conformance.facts.fact import Checks, Fact
from labkit.conformance.facts.ground import BESIDE, NAMESPACE, Ground
from labkit.install import kinds
from labkit.kube import manifests, resources
from labkit.lab import cleanup
from labkit.lab.istioctl import Istioctl

SUBSETS = "bookinfo/networking/destination-rule-all.yaml"
UNLABELLED = "facts-unlabelled"
"""A namespace that says nothing about injection."""

EXIT = 79
"""istioctl's, where an Error is among its messages."""

LOST = ["IST0101", "IST0132"]
"""A gateway that does not exist has no hosts either, so Istio says both."""

BROKEN: Mapping[str, list[str]] = {
    "analyze-missing-gateway.yaml": LOST,
    "analyze-missing-subset.yaml": ["IST0101"],
    "analyze-gateway-port.yaml": ["IST0162"],
    "analyze-gateway-of-nobody.yaml": ["IST0101"],
    "analyze-two-gateways.yaml": ["IST0145"],
}
"""A file → the codes that its objects bring once they are applied."""

_CODE = re.compile(r"\[(IST\d+)\]")


def _analyze(ground: Ground, checks: Checks) -> None:
    typed = Istioctl(ground.cluster, namespace=NAMESPACE)
    ground.rules()
    ground.kubectl(["create", "namespace", UNLABELLED])
    try:
        ground.deploy("curl/curl.yaml", namespace=UNLABELLED)
        everywhere = typed.run(["analyze", "-A"]).out
        unlabelled = [line for line in everywhere.splitlines() if f"Namespace {UNLABELLED}" in line]
        checks.equal("namespace without a label", _codes("\n".join(unlabelled)), ["IST0102"])
    finally:
        ground.api.delete(resources.NAMESPACES, UNLABELLED)
    for file, codes in BROKEN.items():
        ground.rules(file)
        checks.equal(
            file.removeprefix("analyze-").removesuffix(".yaml"),
            _codes(typed.run(["analyze", "-n", NAMESPACE]).out),
            codes,
        )
    ground.rules(SUBSETS)
    text = typed.run(["analyze", "-n", NAMESPACE])
    checks.equal("subsets without pods", _codes(text.out), ["IST0173"])
    checks.equal("exit", text.code, EXIT)
    checks.equal("as JSON, exit", typed.run(["analyze", "-n", NAMESPACE, "-o", "json"]).code, 0)
    # Files alone have no Services or Pods, so nothing can be said of hosts and subsets' pods.
    alone = typed.run(["analyze", "--use-kube=false", "-o", "json", str(ground.file("analyze-missing-gateway.yaml"))])
    checks.equal("on the file alone", sorted({entry["code"] for entry in json.loads(alone.out)}), LOST)
    hosts = typed.run(["analyze", "--use-kube=false", "-o", "json", str(ground.file("analyze-missing-host.yaml"))])
    checks.equal("of a host, on files alone", json.loads(hosts.out), [])


def _codes(text: str) -> list[str]:
    return sorted(set(_CODE.findall(text)))


def _cleanup(ground: Ground, checks: Checks) -> None:
    ground.rules()
    ours, other = (manifests.read(ground.file(name))[0] for name in ("cleanup-ours.yaml", "cleanup-other.yaml"))
    kinds.apply_all(ground.api, [ours], namespace=BESIDE)
    ground.kubectl(["--namespace", BESIDE, "apply", "-f", str(ground.file("cleanup-other.yaml"))])
    try:
        left = cleanup.leftovers(ground.api, [BESIDE], kept=())
        shared = [f.name for f in left if f.resource in cleanup.RULES and cleanup.goes(f, is_owned=False)]
        checks.equal("on a shared cluster a cleanup takes", shared, [f"virtualservice/{resources.name_of(ours)}"])
        for leftover in left:
            if leftover.resource in cleanup.RULES and cleanup.goes(leftover, is_owned=False):
                ground.api.delete(leftover.resource, resources.name_of(leftover.obj), BESIDE)
        kept = waiting.until(
            lambda: ground.api.find(resources.VIRTUAL_SERVICES, resources.name_of(other), BESIDE),
            what="the other's VirtualService",
            timeout=1.0,
            next_step=f"kubectl -n {BESIDE} get virtualservices",
        )
        checks.see("the other's VirtualService stayed", kept is not None)
        gone = ground.api.find(resources.VIRTUAL_SERVICES, resources.name_of(ours), BESIDE) is None
        checks.see("the kit's own went", gone)
    finally:
        for obj in (ours, other):
            ground.api.delete(resources.VIRTUAL_SERVICES, resources.name_of(obj), BESIDE)


FACTS = (
    Fact(
        number=36,
        sentence="istioctl analyze names what refers to nothing, what selects nothing and what collides.",
        asked="IST0101 gateway and subset, IST0102, IST0145, IST0162, IST0173 with exit 79; JSON exits 0",
        measure=_analyze,
    ),
    Fact(
        number=37,
        sentence="A cleanup in a shared namespace takes away what it labelled, and nobody else's rules.",
        asked="the kit's VirtualService goes, the other one stays",
        measure=_cleanup,
    ),
)
