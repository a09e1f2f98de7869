"""VirtualService http rules as Envoy routes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import model
from labkit.mesh.envoy import typed
from labkit.mesh.model import Resource

ClusterOf = Callable[[str, str, int | None], str]
"""(host, subset, port) → the cluster's name."""

RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
"""What Istio retries without being asked, twice."""


def full_host(host: str, namespace: str) -> str:
    """A short name is one of the rule's own namespace."""
    if "." in host or host == "*":
        parts = host.split(".")
        if len(parts) == 2 and parts[0] != "*":
            return f"{host}.svc.{model.DOMAIN}"
        return f"{host}.{model.DOMAIN}" if host.endswith(".svc") else host
    return f"{host}.{namespace}.svc.{model.DOMAIN}"


def default_route(cluster: str, host: str, port: int) -> Resource:
    """What a host without rules gets."""
    return {
        "name": "default",
        "match": {"prefix": "/"},
        "decorator": {"operation": f"{host}:{port}/*"},
        "route": {"cluster": cluster, "timeout": "0s", "retry_policy": retry_policy(None)},
    }


def of_rules(service: Object, cluster_of: ClusterOf, *, gateway: str) -> list[Resource]:
    """The routes of a VirtualService for one gateway (``mesh`` for sidecars); nothing follows a catch-all."""
    found: list[Resource] = []
    for rule in service["spec"].get("http") or []:
        matches = rule.get("match") or [{}]
        for match in matches:
            gateways = match.get("gateways") or service["spec"].get("gateways") or ["mesh"]
            if gateway not in gateways and "gateways" in match:
                continue
            route = _route(service, rule, match, cluster_of)
            found.append(route)
            if _is_catch_all(route["match"]):
                return found
    return found


def _is_catch_all(match: Resource) -> bool:
    return match.get("prefix") == "/" and set(match) <= {"prefix", "case_sensitive"}


def _route(service: Object, rule: Object, match: Object, cluster_of: ClusterOf) -> Resource:
    namespace = resources.namespace_of(service)
    path = f"/apis/networking.istio.io/v1/namespaces/{namespace}/virtual-service/{resources.name_of(service)}"
    found: Resource = {
        "match": request_match(match),
        "metadata": {"filter_metadata": {"istio": {"config": path}}},
    }
    if name := rule.get("name", "") + (f".{match['name']}" if match.get("name") else ""):
        found["name"] = name
    found |= _headers(rule.get("headers") or {})
    if rule.get("redirect"):
        found["redirect"] = _redirect(rule["redirect"])
    elif rule.get("directResponse"):
        body = rule["directResponse"].get("body") or {}
        found["direct_response"] = {"status": rule["directResponse"]["status"]}
        if "string" in body:
            found["direct_response"]["body"] = {"inline_string": body["string"]}
    else:
        found["route"] = _action(rule, namespace, cluster_of)
    if fault := rule.get("fault"):
        found["typed_per_filter_config"] = {"envoy.filters.http.fault": _fault(fault)}
    return found


def request_match(match: Object) -> Resource:
    """Path, headers, method and query of one match."""
    found: Resource = {"prefix": "/"}
    if uri := match.get("uri"):
        found = _path(uri)
        found["case_sensitive"] = not match.get("ignoreUriCase", False)
    headers = [_header(name.lower(), value) for name, value in sorted((match.get("headers") or {}).items())]
    for name, value in sorted((match.get("withoutHeaders") or {}).items()):
        headers.append({**_header(name.lower(), value), "invert_match": True})
    for key, name in (("method", ":method"), ("authority", ":authority"), ("scheme", ":scheme")):
        if key in match:
            headers.append(_header(name, match[key]))
    if headers:
        found["headers"] = headers
    if query := match.get("queryParams"):
        found["query_parameters"] = [
            {"name": name, "string_match": text}
            if (text := string_match(value))
            else {"name": name, "present_match": True}
            for name, value in sorted(query.items())
        ]
    return found


def _path(uri: Object) -> Resource:
    if "exact" in uri:
        return {"path": uri["exact"]}
    if "regex" in uri:
        return {"safe_regex": {"regex": uri["regex"]}}
    return {"prefix": uri.get("prefix", "/")}


def string_match(value: Object) -> Resource:
    """A StringMatch; empty when only presence counts."""
    if "exact" in value:
        return {"exact": value["exact"]}
    if "prefix" in value:
        return {"prefix": value["prefix"]}
    return {"safe_regex": {"regex": value["regex"]}} if value.get("regex") not in (None, "", "*") else {}


def _header(name: str, value: Object) -> Resource:
    text = string_match(value or {})
    return {"name": name, "string_match": text} if text else {"name": name, "present_match": True}


def _action(rule: Object, namespace: str, cluster_of: ClusterOf) -> Resource:
    targets = rule.get("route") or []
    found: Resource = {}
    # A weight of 0 vanishes, and so does a destination without a weight beside others that have one.
    weighted = [t for t in targets if t.get("weight")] if len(targets) > 1 else targets
    if len(weighted) > 1:
        found["weighted_clusters"] = {
            "clusters": [
                {"name": _target(t, namespace, cluster_of), "weight": t["weight"], **_headers(t.get("headers") or {})}
                for t in weighted
            ]
        }
    elif weighted:
        found["cluster"] = _target(weighted[0], namespace, cluster_of)
        if len(targets) == 1 or weighted[0].get("headers"):
            found |= {}
    found["timeout"] = rule.get("timeout") or "0s"
    if policy := retry_policy(rule.get("retries")):
        found["retry_policy"] = policy
    mirrors = list(rule.get("mirrors") or [])
    if rule.get("mirror"):
        mirrors = [{"destination": rule["mirror"], "percentage": rule.get("mirrorPercentage")}]
    if mirrors:
        found["request_mirror_policies"] = [_mirror(m, namespace, cluster_of) for m in mirrors]
    if rewrite := rule.get("rewrite"):
        if "uri" in rewrite:
            found["prefix_rewrite"] = rewrite["uri"]
        if "authority" in rewrite:
            found["host_rewrite_literal"] = rewrite["authority"]
    return found


def _target(target: Object, namespace: str, cluster_of: ClusterOf) -> str:
    destination = target["destination"]
    port = (destination.get("port") or {}).get("number")
    return cluster_of(full_host(destination["host"], namespace), destination.get("subset", ""), port)


def _mirror(mirror: Object, namespace: str, cluster_of: ClusterOf) -> Resource:
    share = (mirror.get("percentage") or {}).get("value", 100.0)
    return {
        "cluster": _target(mirror, namespace, cluster_of),
        "runtime_fraction": {"default_value": percentage(share)},
        "disable_shadow_host_suffix_append": False,
    }


def percentage(share: float) -> Resource:
    """A share of a hundred, to a hundredth of a hundredth."""
    return {"numerator": round(share * 10_000), "denominator": "MILLION"}


def retry_policy(retries: Object | None) -> Resource:
    """Istio's default of two, or what the rule says; empty for none."""
    if retries is not None and not retries.get("attempts"):
        return {}
    said = retries or {}
    words = [w.strip() for w in (said.get("retryOn") or RETRY_ON).split(",") if w.strip()]
    codes = [int(w) for w in words if w.isdigit()]
    names = [w for w in words if not w.isdigit()]
    if codes and "retriable-status-codes" not in names:
        names.append("retriable-status-codes")
    found: Resource = {
        "retry_on": ",".join(names),
        "num_retries": said.get("attempts", 2),
        "retry_host_predicate": [
            typed(
                "envoy.retry_host_predicates.previous_hosts",
                "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )
        ],
        "host_selection_retry_max_attempts": "5",
    }
    if codes:
        found["retriable_status_codes"] = codes
    if said.get("perTryTimeout"):
        found["per_try_timeout"] = said["perTryTimeout"]
    return found


def _fault(fault: Mapping[str, Any]) -> Resource:
    # Without a percentage Istio sends none, and Envoy then injects nothing.
    found: Resource = {"@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault"}
    if delay := fault.get("delay"):
        found["delay"] = {"fixed_delay": delay["fixedDelay"], "percentage": _fault_share(delay)}
    if abort := fault.get("abort"):
        found["abort"] = {"http_status": abort["httpStatus"], "percentage": _fault_share(abort)}
    return found


def _fault_share(fault: Mapping[str, Any]) -> Resource:
    if "percent" in fault:
        return percentage(fault["percent"])
    return percentage((fault.get("percentage") or {}).get("value", 0.0))


def _redirect(said: Mapping[str, Any]) -> Resource:
    codes = {
        301: "MOVED_PERMANENTLY",
        302: "FOUND",
        303: "SEE_OTHER",
        307: "TEMPORARY_REDIRECT",
        308: "PERMANENT_REDIRECT",
    }
    found: Resource = {"response_code": codes[said.get("redirectCode", 301)]}
    for ours, theirs in (
        ("uri", "path_redirect"),
        ("authority", "host_redirect"),
        ("scheme", "scheme_redirect"),
        ("port", "port_redirect"),
    ):
        if ours in said:
            found[theirs] = said[ours]
    return found


def _headers(said: Mapping[str, Any]) -> Resource:
    found: Resource = {}
    for side in ("request", "response"):
        ops = said.get(side) or {}
        added = [
            {"header": {"key": key, "value": value}, "append_action": action}
            for word, action in (("set", "OVERWRITE_IF_EXISTS_OR_ADD"), ("add", "APPEND_IF_EXISTS_OR_ADD"))
            for key, value in sorted((ops.get(word) or {}).items())
        ]
        if added:
            found[f"{side}_headers_to_add"] = added
        if ops.get("remove"):
            found[f"{side}_headers_to_remove"] = sorted(ops["remove"])
    return found


def wins(found: Sequence[Object]) -> Object | None:
    """Of several objects for one host the oldest; same age, by name."""
    return min(
        found,
        key=lambda o: (o["metadata"].get("creationTimestamp", ""), resources.name_of(o), resources.namespace_of(o)),
        default=None,
    )
