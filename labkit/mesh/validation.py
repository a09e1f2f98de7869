"""What Istio's webhook refuses and what it warns of, beyond the schema."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from labkit.kube.resources import Object


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """On one object."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def validate(obj: Object) -> Verdict:
    """The verdict; kinds without rules of their own pass."""
    check = CHECKS.get(str(obj.get("kind")))
    if check is None:
        return Verdict()
    found = list(check(obj.get("spec") or {}))
    return Verdict(
        errors=tuple(text for kind, text in found if kind == "error"),
        warnings=tuple(text for kind, text in found if kind == "warning"),
    )


Finding = tuple[str, str]


def _virtual_service(spec: Object) -> Iterator[Finding]:
    if not spec.get("hosts"):
        yield "error", "virtual service must have at least one host"
    rules = spec.get("http") or []
    if not any(spec.get(k) for k in ("http", "tcp", "tls")):
        yield "error", "http, tcp or tls must be provided in virtual service"
    for number, rule in enumerate(rules):
        yield from _http_rule(rule)
        last = number == len(rules) - 1
        if not last and not rule.get("match"):
            yield "warning", f"virtualService rule #{number} not used (only the last rule can have no matches)"


def _http_rule(rule: Object) -> Iterator[Finding]:
    actions = [k for k in ("route", "redirect", "directResponse", "delegate") if rule.get(k)]
    if not actions:
        yield "error", "HTTP route, redirect or direct_response is required"
    targets = rule.get("route") or []
    total = 0
    for target in targets:
        destination = target.get("destination") or {}
        if not destination.get("host"):
            yield "error", "destination host is required" if destination else "destination is required"
        weight = target.get("weight", 0)
        if weight < 0:
            yield "error", f"weight {weight} < 0"
        total += weight
    if len(targets) > 1 and total == 0:
        yield "error", "total destination weight = 0"
    if rule.get("timeout") == "0s":
        yield "error", "duration must be greater than 1ms"


def _destination_rule(spec: Object) -> Iterator[Finding]:
    if not spec.get("host"):
        yield "error", "domain name is empty"
    for subset in spec.get("subsets") or []:
        if not subset.get("name"):
            yield "error", "subset name must be set"


def _gateway(spec: Object) -> Iterator[Finding]:
    if not spec.get("servers"):
        yield "error", "gateway must have at least one server"
    for server in spec.get("servers") or []:
        if not server.get("hosts"):
            yield "error", "server config must contain at least one host"
        if not (server.get("port") or {}).get("name"):
            yield "error", "port name must be set: " + _port_text(server.get("port") or {})


def _port_text(port: Mapping[str, object]) -> str:
    return " ".join(f"{k}:{port[k]!r}".replace("'", '"') for k in ("number", "protocol") if k in port)


CHECKS: Mapping[str, Callable[[Object], Iterator[Finding]]] = {
    "VirtualService": _virtual_service,
    "DestinationRule": _destination_rule,
    "Gateway": _gateway,
}
