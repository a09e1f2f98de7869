"""Checks of the chosen cluster: rows 10 to 20. Pure."""

from collections.abc import Iterator

from labkit.base import versions
from labkit.clusters import failures
from labkit.install import gateway_api, presence
from labkit.install import injection as injections
from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.lab import chapters
from labkit.lab.doctor.facts import Facts
from labkit.lab.doctor.finding import Answer, Check, passed, skipped

PROXY = "istio-proxy"
SKEW = 30.0
"""Seconds between clocks from which certificates and tokens are refused."""

SHORT = 60
"""Characters of a reason that every row may repeat."""

PULL = "kubectl describe pod: its last events say why; Istio's images are at docker.io/istio alone"
IPTABLES = "istioctl install --set values.global.nativeNftables=true, where the node has no iptables modules"
RETIRED = "istioctl install --set hub=docker.io/istio, then restart the workloads: that registry is switched off"
MEMORY = "give the cluster more memory, or take workloads away: kubectl describe nodes says what is requested"
TROUBLES = {
    "ImagePullBackOff": PULL,
    "ErrImagePull": PULL,
    "ErrImageNeverPull": "./lab images load DIR, since its pull policy is Never and the node has no such image",
    "InvalidImageName": "kubectl describe pod: the image's name is not one",
    "RunContainerError": "kubectl describe pod: its program cannot be started",
    "CrashLoopBackOff": "kubectl logs --previous, of the container that it names",
    "CreateContainerConfigError": "kubectl describe pod",
}


def api(facts: Facts) -> Answer:
    """Whether the API server answers."""
    if not facts.api_problem:
        return passed(f"{facts.cluster}: Kubernetes {facts.version}")
    first, _, rest = facts.api_problem.partition("\n")
    if facts.brings_its_own or (facts.wants_kind and not facts.is_created):
        return skipped(f"{first}: ./lab up {'--cluster kind creates' if facts.wants_kind else 'starts'} it")
    step = rest.rpartition("Next: ")[2] or "kubectl config get-contexts"
    return "fail", first, step


def safety(facts: Facts) -> Answer:
    """Whether the context looks like a lab, or was named."""
    if facts.context is None:
        return skipped(_why(facts))
    if facts.context.looks_like_a_lab:
        return passed(f"{facts.context.name} ({facts.context.server}) looks like a lab")
    return "warn", f"{facts.context.name} ({facts.context.server}) was named, and does not look like a lab", ""


def skew(facts: Facts) -> Answer:
    """Whether this Istio is for this Kubernetes."""
    if facts.api_problem:
        return skipped(_why(facts))
    if facts.brings_its_own:
        return passed(f"Kubernetes {facts.version}, as the sandbox serves it")
    low, high = versions.pinned()["istio"]["kubernetes"]
    minor = versions.parse(facts.version)[1]
    if low <= minor <= high:
        return passed(f"Kubernetes {facts.version}")
    istio = versions.pinned()["istio"]["version"]
    return "warn", f"Kubernetes {facts.version}; Istio {istio} is for 1.{low} to 1.{high}", "istioctl x precheck"


def rights(facts: Facts) -> Answer:
    """Whether the user may do what the course does."""
    if facts.denied is None:
        return skipped(_why(facts))
    if not facts.denied:
        return passed("all that the course does")
    inside = [right for right in facts.denied if " in " in right]
    seen = f"not allowed: {', '.join(facts.denied)}"
    if inside:
        return (
            "fail",
            seen,
            f"kubectl create rolebinding labkit --clusterrole=admin --user=YOU -n {facts.namespace} (its owner)",
        )
    return "warn", f"{seen}; lessons that need these say so", ""


def nodes(facts: Facts) -> Answer:
    """Whether nodes are ready and without pressure."""
    if facts.nodes is None:
        return skipped("nodes may not be read" if not facts.api_problem else _why(facts))
    troubles = [f"{resources.name_of(node)}: {kind}" for node in facts.nodes for kind in _pressures(node)]
    if troubles:
        return "fail", "; ".join(troubles), "kubectl describe nodes"
    return passed(f"{len(facts.nodes)} ready")


def _pressures(node: Object) -> Iterator[str]:
    for condition in node.get("status", {}).get("conditions") or []:
        healthy = "True" if condition["type"] == "Ready" else "False"
        if condition["status"] != healthy:
            yield f"{condition['type']}={condition['status']}"


def istio(facts: Facts) -> Answer:
    """Whether Istio is there and in order."""
    if facts.istio is None:
        return skipped(_why(facts))
    trouble = presence.problem(facts.istio)
    if trouble is None:
        return passed(f"{facts.istio}{f'; {presence.note(facts.istio)}' if presence.note(facts.istio) else ''}")
    if facts.brings_its_own:
        return "warn", trouble.what, "./lab up"
    return "fail", trouble.what, trouble.next_step


def injection(facts: Facts) -> Answer:
    """Whether new pods of the course's namespace get a sidecar, and all of its pods have one."""
    if facts.labels is None or facts.pods is None:
        return skipped(_why(facts))
    value, revision = facts.labels.get("istio-injection"), facts.labels.get("istio.io/rev")
    if value != "enabled" and not revision:
        seen = f"istio-injection={value}" if value else "no label"
        return (
            "warn",
            f"namespace {facts.namespace}: {seen}",
            f"kubectl label namespace {facts.namespace} istio-injection=enabled --overwrite",
        )
    if value and revision:
        return (
            "warn",
            f"namespace {facts.namespace} has both istio-injection and istio.io/rev",
            f"kubectl label namespace {facts.namespace} istio.io/rev-",
        )
    if facts.trial:
        # The API server's own words name the webhook and what became of the call.
        step = failures.mend(facts.trial) or injections.NEXT.format(namespace=facts.namespace)
        return "fail", f"namespace {facts.namespace} asks for sidecars, and new pods get none: {facts.trial}", step
    without = [
        resources.name_of(pod)
        for pod in facts.pods
        if not _has_proxy(pod) and "deletionTimestamp" not in pod["metadata"]
    ]
    if without:
        return (
            "warn",
            f"without a sidecar: {', '.join(without[:4])}",
            f"kubectl -n {facts.namespace} rollout restart deployment NAME",
        )
    tried = "; a pod on trial gets one too" if facts.trial == "" else ""
    return passed(f"namespace {facts.namespace}, {len(facts.pods)} pods with a sidecar{tried}")


def _has_proxy(pod: Object) -> bool:
    spec = pod.get("spec") or {}
    return any(c["name"] == PROXY for c in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])])


def pods(facts: Facts) -> Answer:
    """Whether pods start, and what keeps those that do not."""
    if facts.pods is None:
        return skipped(_why(facts))
    every = [*facts.pods, *(facts.mesh_pods or [])]
    for pod in every:
        if message := _unscheduled(pod):
            more = MEMORY if "Insufficient" in message else "kubectl describe pod"
            return "fail", f"{resources.name_of(pod)} has no node: {message[:120]}", more
        for image in _retired(pod):
            return "fail", f"{resources.name_of(pod)} has the image {image}", RETIRED
        for container, reason, message in _waiting(pod):
            step = TROUBLES.get(reason)
            if container in ("istio-init", "istio-validation") and reason == "CrashLoopBackOff":
                step = IPTABLES
            if step:
                return "fail", f"{resources.name_of(pod)}, {container}: {reason} {message[:120]}".rstrip(), step
    return passed(f"{len(every)} pods, none stuck")


def _unscheduled(pod: Object) -> str:
    """What the scheduler says of a pod that no node takes; empty for others."""
    conditions = (pod.get("status") or {}).get("conditions") or []
    refused = (c for c in conditions if c["type"] == "PodScheduled" and c["status"] == "False")
    return next((str(c.get("message", "")) for c in refused), "")


def _retired(pod: Object) -> Iterator[str]:
    """Images of a registry that Istio has left."""
    spec = pod.get("spec") or {}
    hubs = tuple(f"{hub}/" for hub in versions.pinned()["istio"]["retired_hubs"])
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        if str(container.get("image", "")).startswith(hubs):
            yield str(container["image"])


def _waiting(pod: Object) -> Iterator[tuple[str, str, str]]:
    state = pod.get("status") or {}
    for container in [*(state.get("initContainerStatuses") or []), *(state.get("containerStatuses") or [])]:
        if waiting := (container.get("state") or {}).get("waiting"):
            yield container["name"], waiting.get("reason", ""), waiting.get("message", "")


def definitions(facts: Facts) -> Answer:
    """Whether the Gateway API is served, in the bundle that Istio is built against."""
    if facts.definitions is None:
        return skipped(_why(facts))
    if not facts.definitions:
        lessons = ", ".join(number for number, chapter in chapters.CHAPTERS.items() if chapter.gateway_api)
        return "warn", f"no definitions of the Gateway API; lessons {lessons} use them", gateway_api.PUBLISHED
    return passed(f"bundle {facts.definitions}")


def gateway(facts: Facts) -> Answer:
    """Whether the ingress gateway is reached from here."""
    if facts.api_problem or facts.istio is None:
        return skipped(_why(facts))
    if facts.gateway is None and facts.istio.istiods is None:
        step = "ask for its address, then: export LABKIT_GATEWAY_URL=http://ADDRESS:PORT"
        return "warn", "istio-system may not be read by this user, so the ingress gateway's address is not known", step
    if facts.gateway is None:
        return "warn", "the ingress gateway has no address", "kubectl -n istio-system get svc istio-ingressgateway"
    if facts.page == "status 200":
        return passed(f"Bookinfo answers at {facts.gateway}")
    return "warn", f"{facts.gateway}/productpage: {facts.page}", "./lab up exposes Bookinfo"


def clock(facts: Facts) -> Answer:
    """Whether the clocks agree."""
    if facts.clock_skew is None:
        return skipped(_why(facts))
    if abs(facts.clock_skew) > SKEW:
        step = "sudo hwclock -s" if "wsl" in facts.environment else "sudo timedatectl set-ntp true"
        return (
            "fail",
            f"the API server's clock is {facts.clock_skew:+.0f} s from this one; tokens and certificates fail",
            step,
        )
    return passed("agrees with the API server's")


def _why(facts: Facts) -> str:
    first = facts.api_problem.partition("\n")[0]
    return (first if len(first) <= SHORT else "not asked, for the reason above") or "may not be read by this user"


CHECKS = (
    Check(id="api", title="Kubernetes API", judge=api),
    Check(id="safety", title="Context", judge=safety),
    Check(id="version", title="Kubernetes and Istio", judge=skew),
    Check(id="rights", title="Rights", judge=rights),
    Check(id="nodes", title="Nodes", judge=nodes),
    Check(id="istio", title="Istio", judge=istio),
    Check(id="injection", title="Injection", judge=injection),
    Check(id="pods", title="Pods", judge=pods),
    Check(id="definitions", title="Gateway API", judge=definitions),
    Check(id="gateway", title="Gateway", judge=gateway),
    Check(id="clock", title="Clock", judge=clock),
)
