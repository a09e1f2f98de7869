"""What istiod gave one proxy, read from that Envoy's own admin pages.

``ask(path)`` is any way to its admin port: on every cluster ``pilot-agent request GET PATH`` inside the pod.
The tables have the columns of ``istioctl proxy-config``.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from labkit.sandbox.proxy import credentials

if TYPE_CHECKING:
    import pandas as pd

Ask = Callable[[str], str]
Dump = Mapping[str, Any]


class Proxy:
    """One Envoy, asked anew by every method."""

    def __init__(self, name: str, ask: Ask) -> None:
        self.name = name
        """The pod it is in, ``pod.namespace``."""
        self._ask = ask

    def __repr__(self) -> str:
        return f"Proxy({self.name})"

    def ask(self, path: str) -> str:
        """The text of an admin page: ``config_dump``, ``clusters``, ``stats``, ``certs``."""
        return self._ask(path)

    def config(self) -> dict[str, Any]:
        """The whole configuration as Envoy dumps it."""
        dump: dict[str, Any] = json.loads(self._ask("config_dump"))
        return dump

    def clusters(self, *, host: str = "") -> "pd.DataFrame":
        """Where it can send to; ``host`` keeps the names that contain it."""
        return _frame(CLUSTER, (row for row in cluster_rows(self.config()) if host in row[0]))

    def listeners(self) -> "pd.DataFrame":
        """Where it listens."""
        return _frame(LISTENER, listener_rows(self.config()))

    def routes(self, *, host: str = "") -> "pd.DataFrame":
        """Which request goes to which cluster, with weights; ``host`` keeps the virtual hosts that contain it."""
        return _frame(ROUTE, (row for row in route_rows(self.config()) if host in row[1]))

    def endpoints(self, *, host: str = "") -> "pd.DataFrame":
        """The addresses behind each cluster, and whether Envoy takes them for healthy."""
        rows = endpoint_rows(json.loads(self._ask("clusters?format=json")))
        return _frame(ENDPOINT, (row for row in rows if host in row[0]))

    def filters(self) -> "pd.DataFrame":
        """The HTTP filters of each listener's chains, in the order in which a request passes them."""
        return _frame(FILTER, filter_rows(self.config()))

    def secrets(self) -> "pd.DataFrame":
        """The certificates it was given: names and kinds, never contents."""
        return _frame(SECRET, secret_rows(self.config()))

    def identity(self) -> str:
        """The name in its own certificate: ``spiffe://cluster.local/ns/default/sa/bookinfo-reviews``."""
        for certificate in json.loads(self._ask("certs")).get("certificates", []):
            for chain in certificate.get("cert_chain", []):
                for name in chain.get("subject_alt_names", []):
                    if name.get("uri"):
                        return str(name["uri"])
        return ""


CLUSTER = ("service", "port", "subset", "direction", "type")
LISTENER = ("name", "address", "port")
ROUTE = ("route_configuration", "virtual_host", "match", "cluster", "weight")
ENDPOINT = ("cluster", "endpoint", "health")
FILTER = ("listener", "chain", "order", "filter")
SECRET = ("name", "kind", "state")


def cluster_rows(dump: Dump) -> list[tuple[str, str, str, str, str]]:
    """One row a cluster; Istio's names ``outbound|9080|v1|reviews.default.svc.cluster.local`` are taken apart."""
    rows = []
    for entry in _each(dump, "static_clusters", "dynamic_active_clusters"):
        cluster = entry["cluster"]
        direction, port, subset, service = parts_of(cluster["name"])
        rows.append((service, port, subset, direction, str(cluster.get("type", "STATIC"))))
    return sorted(rows)


def parts_of(name: str) -> tuple[str, str, str, str]:
    """Direction, port, subset and service of a cluster's name; other names are the service."""
    parts = name.split("|")
    return (parts[0], parts[1], parts[2], parts[3]) if len(parts) == 4 else ("", "", "", name)


def listener_rows(dump: Dump) -> list[tuple[str, str, int]]:
    """One row a listener."""
    static = [entry["listener"] for entry in _each(dump, "static_listeners")]
    dynamic = [
        entry["active_state"]["listener"] for entry in _each(dump, "dynamic_listeners") if "active_state" in entry
    ]
    rows = []
    for listener in [*static, *dynamic]:
        address = listener.get("address", {})
        place = address.get("socket_address", {})
        where = place.get("address", "") or address.get("pipe", {}).get("path", "")
        rows.append((listener.get("name", ""), where, int(place.get("port_value", 0))))
    return sorted(rows)


def route_rows(dump: Dump) -> list[tuple[str, str, str, str, int]]:
    """One row a destination: a route to two weighted clusters has two."""
    rows = []
    for entry in _each(dump, "static_route_configs", "dynamic_route_configs"):
        config = entry["route_config"]
        for host in config.get("virtual_hosts", []):
            for route in host.get("routes", []):
                for cluster, weight in _destinations(route):
                    rows.append((config.get("name", ""), host["name"], _match(route), cluster, weight))
    return rows


def _destinations(route: Mapping[str, Any]) -> list[tuple[str, int]]:
    action = route.get("route", {})
    weighted = action.get("weighted_clusters", {}).get("clusters", [])
    if weighted:
        return [(cluster["name"], int(cluster.get("weight", 0))) for cluster in weighted]
    if "cluster" in action:
        return [(action["cluster"], 100)]
    return [("(answers itself)", 100)]


def _match(route: Mapping[str, Any]) -> str:
    """``^/reviews end-user=jason``: the path, then every condition on headers and query parameters."""
    match = route.get("match", {})
    headers = (_condition(header) for header in match.get("headers", []))
    parameters = (f"?{_condition(parameter)}" for parameter in match.get("query_parameters", []))
    return " ".join([_path(match), *headers, *parameters])


def _path(match: Mapping[str, Any]) -> str:
    for kind, sign in (("path", "="), ("prefix", "^"), ("path_separated_prefix", "^")):
        if kind in match:
            return f"{sign}{match[kind]}"
    return str(match.get("safe_regex", {}).get("regex", "*"))


def _condition(matcher: Mapping[str, Any]) -> str:
    string_match = matcher.get("string_match", {})
    texts = {
        "exact": f"={string_match.get('exact')}",
        "prefix": f"^{string_match.get('prefix')}",
        "safe_regex": f"~{string_match.get('safe_regex', {}).get('regex')}",
    }
    condition = next((text for kind, text in texts.items() if kind in string_match), "")
    return f"{'!' if matcher.get('invert_match') else ''}{matcher['name']}{condition}"


def endpoint_address(host: Mapping[str, Any]) -> tuple[str, str]:
    """Address and port of an endpoint in ``/clusters?format=json``; of one reached by HBONE those of its pod."""
    address = host.get("address", {})
    if socket := address.get("socket_address"):
        return str(socket.get("address", "")), str(socket.get("port_value", ""))
    pod, _, port = str(address.get("envoy_internal_address", {}).get("endpoint_id", "")).rpartition(":")
    return pod, port


def endpoint_rows(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """One row an address of ``/clusters?format=json``."""
    rows = []
    for cluster in document.get("cluster_statuses", []):
        for host in cluster.get("host_statuses", []):
            address, port = endpoint_address(host)
            pipe = host.get("address", {}).get("pipe", {}).get("path", "(inside Envoy)")
            where = f"{address}:{port}" if address else pipe
            rows.append((cluster["name"], where, str(host.get("health_status", {}).get("eds_health_status", ""))))
    return sorted(rows)


def filter_rows(dump: Dump) -> list[tuple[str, str, int, str]]:
    """One row an HTTP filter; chains without HTTP have none."""
    rows = []
    live = (entry["active_state"] for entry in _each(dump, "dynamic_listeners") if "active_state" in entry)
    for listener in (*(e["listener"] for e in _each(dump, "static_listeners")), *(e["listener"] for e in live)):
        for number, chain in enumerate(listener.get("filter_chains", [])):
            names = [
                f["name"] for c in chain.get("filters", []) for f in c.get("typed_config", {}).get("http_filters", [])
            ]
            title = chain.get("name") or str(number)
            rows += [(listener.get("name", ""), title, at, name) for at, name in enumerate(names, start=1)]
    return rows


def secret_rows(dump: Dump) -> list[tuple[str, str, str]]:
    """One row a secret that istiod sends."""
    states = {"static_secrets": "active", "dynamic_active_secrets": "active", "dynamic_warming_secrets": "warming"}
    return sorted(
        (entry["name"], "certificate" if "tls_certificate" in (entry.get("secret") or {}) else "authority", state)
        for key, state in states.items()
        for entry in _each(dump, key)
        if entry["name"] not in credentials.MOUNTS
    )


def _each(dump: Dump, *keys: str) -> Iterator[Any]:
    for section in dump.get("configs", []):
        for key in keys:
            yield from section.get(key, [])


def _frame(columns: tuple[str, ...], rows: Any) -> "pd.DataFrame":
    import pandas as pd

    # Names such as outbound|9080|v1|productpage.default.svc.cluster.local are what these tables are read for,
    # and pandas cuts every text at 50 characters.
    pd.set_option("display.max_colwidth", max(100, pd.get_option("display.max_colwidth") or 1000))
    return pd.DataFrame(list(rows), columns=list(columns))
