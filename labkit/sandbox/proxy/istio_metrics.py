"""From the statistics that an Envoy keeps here to Istio's metrics, label by label as Istio writes them out.

An Envoy's tag says only what its configuration cannot: who the peer is, which service was called, and how it went.
Who the proxy itself is, its page says for all of them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from labkit.mesh.sandboxed import stats

UNKNOWN = "unknown"
OWN_PREFIX = f"envoy_{stats.PREFIX}_"
TAG = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
BUCKET = re.compile(r',?le="([^"]*)"$')
ADDRESS = re.compile(
    r'about="(?:destination\|[^|]*\|\|\|spiffe:[^|]*\|[^|]*\|\||waypoint\|(?:[^|]*\|){6})[^|]*\|([^|]+)\|'
)
"""Of a caller by mutual TLS, on a connection that is not HTTP, as Istio's exchange rides on mutual TLS; and of whoever
calls through a waypoint."""

CALLED = re.compile(r'about="source\|([^|]*)\|([^|]*)\|[^|]*\|[^|]*\|([^|]*)\|([^|;]+;[^|]*)\|')
"""Flags, status and identity of an endpoint that was called, and its workload."""

UNANSWERED = {"UF", "UC", "UT", "UR", "LR", "DC", "DT", "UPE", "DPE", "SI"}
"""Flags of requests that the called proxy did not answer."""

TUNNEL = re.compile(r'about="waypoint\|(?:[^|]*\|){4}envoy://connect_originate/([^|]+):\d+\|')
"""Of the pod that a waypoint's tunnel leads to."""

SAMPLE = re.compile(r"(\w+)\{(.*)\} (\S+)$")

ORDER = (
    "reporter",
    "source_workload",
    "source_canonical_service",
    "source_canonical_revision",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_cluster",
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_service",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_service_name",
    "destination_service_namespace",
    "destination_cluster",
    "request_protocol",
    "response_code",
    "grpc_response_status",
    "response_flags",
    "connection_security_policy",
)
"""Istio's labels, in the order in which Istio writes them."""


APART = (stats.ABOUT, stats.WITHOUT, stats.MESSAGES, stats.OWN)
"""Tags that are no labels."""


class Workload(NamedTuple):
    """Who takes part in a request."""

    name: str = UNKNOWN
    namespace: str = UNKNOWN
    service: str = UNKNOWN
    revision: str = UNKNOWN
    cluster: str = UNKNOWN
    app: str = UNKNOWN
    version: str = UNKNOWN


IDENTITY = 5
"""Parts of what a node's proxy and a waypoint know of a workload."""


def workload(text: str) -> Workload:
    """``reviews-v1;default;reviews;v1;Kubernetes;reviews;v1``; what is no such text is nobody known.

    Without the last two, app and version are the canonical ones, as in Istio's baggage.
    """
    parts = text.split(";")
    if len(parts) == IDENTITY:
        parts += parts[2:4]
    return Workload(*(part or UNKNOWN for part in parts)) if len(parts) == len(Workload._fields) else Workload()


PeerAt = Callable[[str], str]


def _nobody(_: str) -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class Peers:
    """What a proxy's page asks of other pods; each answers the empty text where nothing is known."""

    at: PeerAt = _nobody
    """The workload at an address, in seven parts."""

    principal_at: PeerAt = _nobody
    """The identity of the pod at an address, which a waypoint's tunnels lead to."""

    exchanged: PeerAt = _nobody
    """From the five parts of a workload with proxies to the seven that these tell their callers."""


def translated(page: str, own: str, peers: Peers) -> str:
    """Envoy's page with Istio's metrics in the place of what counts them."""
    families: dict[str, dict[str, float]] = {}
    others: list[str] = []
    kinds: dict[str, str] = {}
    for line in page.splitlines():
        if OWN_PREFIX not in line:
            others.append(line)
        elif line.startswith("# TYPE"):
            _, _, name, kind = line.split(" ")
            kinds[name.removeprefix(OWN_PREFIX)] = kind
        elif sample := SAMPLE.match(line):
            name, tags, value = sample.groups()
            family = name.removeprefix(OWN_PREFIX)
            amount = float(value) * _messages(family, tags)
            _add(families.setdefault(family, {}), tags, amount, own, peers)
    return "\n".join([*_written(families, kinds), *others, ""])


def _messages(family: str, tags: str) -> int:
    """How many messages each call had that a counter of messages counts; 1 for every other statistic."""
    side = family.removeprefix("istio_").removesuffix("_messages_total")
    if side not in ("request", "response"):
        return 1
    match = re.search(rf'{side}MessageCount\\?":\\?"?(\d+)', tags)
    return int(match[1]) if match else 0


def _add(family: dict[str, float], tags: str, value: float, own: str, peers: Peers) -> None:
    """Two sets of tags may say the same in Istio's labels: then they are one series."""
    bucket = BUCKET.search(tags)
    plain = tags[: bucket.start()] if bucket else tags
    tunnel = TUNNEL.search(plain)
    labels = _labels(plain, own, _peer(plain, peers), peers.principal_at(tunnel[1]) if tunnel else "")
    if bucket:
        labels = f'{labels},le="{bucket[1]}"'
    family[labels] = family.get(labels, 0.0) + value


def _peer(tags: str, peers: Peers) -> str:
    """Who is at the other end, where that takes more than the tags; empty where they say it themselves."""
    is_nodes = f'{stats.OWN}="' in tags
    if address := ADDRESS.search(tags):
        workload = peers.at(address[1])
        return ";".join(workload.split(";")[:IDENTITY]) if is_nodes or 'about="waypoint' in tags else workload
    if is_nodes or (called := CALLED.search(tags)) is None:
        return ""
    flags, code, principal, name = called.groups()
    # A caller learns app and version from the answer, or from a handshake by mutual TLS where there is no HTTP.
    is_told = not UNANSWERED & set(flags.split(",")) if code else principal not in ("", "-")
    return (peers.exchanged(name) if is_told else "") or f"{name};;"


def _written(families: Mapping[str, Mapping[str, float]], kinds: Mapping[str, str]) -> Iterator[str]:
    written: set[str] = set()
    for name, family in families.items():
        base = re.sub(r"_(bucket|sum|count)$", "", name) if name not in kinds else name
        if base not in written:
            written.add(base)
            yield f"# TYPE {base} {kinds.get(base, 'untyped')}"
        yield from (f"{name}{{{labels}}} {_number(value)}" for labels, value in family.items())


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)


@lru_cache(maxsize=8192)
def _labels(tags: str, own: str, peer: str, principal: str) -> str:
    """The labels of a series as text."""
    return ",".join(
        f'{name}="{value}"' for name, value in labels_of(dict(TAG.findall(tags)), own, peer, principal).items()
    )


def labels_of(tags: Mapping[str, str], own: str, peer: str = "", principal: str = "") -> dict[str, str]:
    """Istio's labels of a series, in Istio's order; values are escaped as they came."""
    about = dict(zip(stats.PARTS, tags.get(stats.ABOUT, "").split("|", len(stats.PARTS) - 1), strict=False))
    is_source, is_waypoint = about.get("reporter") == "source", about.get("reporter") == "waypoint"
    here, there = workload(tags.get(stats.OWN, own)), workload(peer or about.get("peer", ""))
    source, destination = (here, there) if is_source else (there, here)
    if is_waypoint:
        source, destination = workload(peer), workload(about.get("peer", ""))
        about["destination_principal"] = principal
    labels = {"reporter": about.get("reporter", UNKNOWN), **_source(source, about), **_destination(destination, about)}
    labels |= {**_service(about, destination), **_request(about)}
    is_mutual = _value(about.get("source_principal"), "") != ""
    labels |= {
        "response_flags": about.get("response_flags") or "-",
        "connection_security_policy": _security(is_mutual, is_told=not is_source or stats.OWN in tags),
    }
    own_labels = {name: value for name, value in tags.items() if name not in APART}
    every = {**{name: labels[name] for name in ORDER if name in labels}, **own_labels}
    gone = tags.get(stats.WITHOUT, "").split(" ")
    return {name: value for name, value in every.items() if name not in gone}


def _security(is_mutual: bool, *, is_told: bool) -> str:
    """A sidecar that calls does not say it; ztunnel does."""
    return ("mutual_tls" if is_mutual else "none") if is_told else UNKNOWN


def _request(about: Mapping[str, str]) -> dict[str, str]:
    if not about.get("response_code"):
        return {"request_protocol": "tcp"}
    status = _value(about.get("grpc_response_status"), "")
    return {
        "request_protocol": "grpc" if status else "http",
        "response_code": about["response_code"],
        "grpc_response_status": status,
    }


def _source(source: Workload, about: Mapping[str, str]) -> dict[str, str]:
    return {
        "source_workload": source.name,
        "source_canonical_service": source.service,
        "source_canonical_revision": source.revision,
        "source_workload_namespace": source.namespace,
        "source_principal": _value(about.get("source_principal")),
        "source_app": source.app,
        "source_version": source.version,
        "source_cluster": source.cluster,
    }


def _destination(destination: Workload, about: Mapping[str, str]) -> dict[str, str]:
    return {
        "destination_workload": destination.name,
        "destination_workload_namespace": destination.namespace,
        "destination_principal": _value(about.get("destination_principal")),
        "destination_app": destination.app,
        "destination_version": destination.version,
        "destination_canonical_service": destination.service,
        "destination_canonical_revision": destination.revision,
        "destination_cluster": destination.cluster,
    }


def _service(about: Mapping[str, str], destination: Workload) -> dict[str, str]:
    """The service that was called; where no upstream belongs to one, the host that the caller named."""
    host, name, namespace = [*about.get("destination_service", "").split(";"), "", ""][:3]
    host = _value(host, "") or about.get("request_host") or UNKNOWN
    return {
        "destination_service": host,
        "destination_service_name": name or host,
        "destination_service_namespace": namespace or destination.namespace,
    }


def _value(value: str | None, absent: str = UNKNOWN) -> str:
    return absent if value in (None, "", "-") else str(value)
