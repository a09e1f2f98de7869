"""Facts of virtual hosts and their routes."""

import re
from typing import Any

from labkit.conformance.envoy.filters import per_route
from labkit.conformance.envoy.values import Json, percent, present, seconds, text_match

ADDRESS = re.compile(r"\d+\.\d+|\[|POD\(|ClusterIP\(")
"""Domains that are addresses depend on how the cluster numbers its pods and Services."""

PORT = re.compile(r":\d+$")
PATHS = ("prefix", "path", "path_separated_prefix")


def virtual_host(host: Json) -> Json:
    """Domains without addresses and ports, the routes in their order, and what the host says for all of them."""
    domains = {PORT.sub("", domain).rstrip(".") for domain in host["domains"] if not ADDRESS.match(domain)}
    return present(
        {
            "domains": sorted(domains),
            "routes": [route(entry) for entry in host.get("routes", [])],
            "require_tls": host.get("require_tls"),
            "headers": header_changes(host),
            "rate limits": host.get("rate_limits"),
            **per_route(host),
        }
    )


def route(entry: Json) -> Json:
    """One route: what it matches and what it does."""
    action = entry.get("route")
    host = {"host_rewrite_literal": action.get("host_rewrite_literal")} if action else {}
    direct = entry.get("direct_response")
    return present(
        {
            "name": entry.get("name"),
            "match": match(entry.get("match", {})),
            **per_route(entry),
            "headers": header_changes({**entry, **host}),
            "redirect": entry.get("redirect"),
            "direct_response": direct and [direct.get("status"), direct.get("body") or {}],
            **(forwarding(action) if action else {}),
        }
    )


def match(condition: Json) -> Json:
    """The condition of a route."""
    template = condition.get("path_match_policy", {}).get("typed_config", {}).get("path_template")
    return present(
        {
            **{kind: condition[kind] for kind in PATHS if kind in condition},
            "regex": condition.get("safe_regex", {}).get("regex"),
            "template": template,
            "nocase": condition.get("case_sensitive") is False or None,
            "headers": sorted(_header(header) for header in condition.get("headers", [])),
            "query": sorted(_parameter(parameter) for parameter in condition.get("query_parameters", [])),
            "metadata": condition.get("dynamic_metadata"),
        }
    )


def _header(header: Json) -> list[Any]:
    return [header["name"], *text_match(header), *(["not"] if header.get("invert_match") else [])]


def _parameter(parameter: Json) -> list[Any]:
    condition = text_match(parameter) if "string_match" in parameter else ["present", True]
    return [parameter["name"], *condition]


def header_changes(holder: Json) -> Json:
    """Headers that are set, added to or removed, of requests and responses, and a host that is written anew."""
    changes: Json = {"host": holder.get("host_rewrite_literal")}
    for side in ("request", "response"):
        changes[f"{side} set/add"] = sorted(_change(option) for option in holder.get(f"{side}_headers_to_add", []))
        changes[f"{side} remove"] = sorted(holder.get(f"{side}_headers_to_remove", []))
    return present(changes)


def _change(option: Json) -> list[str]:
    appends = option.get("append_action", "APPEND_IF_EXISTS_OR_ADD").startswith("APPEND")
    # `append` is the older form of `append_action`.
    appends = appends and option.get("append", True) is not False
    return [option["header"]["key"], option["header"].get("value", ""), "add" if appends else "set"]


def forwarding(action: Json) -> Json:
    """What a route action does with the request it forwards."""
    rewrite = action.get("regex_rewrite")
    return {
        "to": targets(action),
        "timeout": seconds(action.get("timeout")),
        "retry": _retries(action["retry_policy"]) if "retry_policy" in action else None,
        "mirrors": [_mirror(policy) for policy in action.get("request_mirror_policies", [])],
        "rewrite": present(
            {
                "prefix": action.get("prefix_rewrite"),
                "regex": rewrite and [rewrite["pattern"]["regex"], rewrite.get("substitution", "")],
            }
        ),
        "hash": action.get("hash_policy"),
        "rate limits": action.get("rate_limits"),
        "no such cluster": action.get("cluster_not_found_response_code"),
    }


def targets(action: Json) -> list[list[Any]]:
    """``[[cluster, weight, header changes], …]``."""
    if "weighted_clusters" in action:
        return [[c["name"], c.get("weight", 0), header_changes(c)] for c in action["weighted_clusters"]["clusters"]]
    return [[action.get("cluster", "?"), 100, {}]]


def _mirror(policy: Json) -> list[Any]:
    return [policy["cluster"], percent((policy.get("runtime_fraction") or {}).get("default_value"))]


def _retries(policy: Json) -> Json:
    return present(
        {
            "on": sorted(policy.get("retry_on", "").split(",")),
            "times": policy.get("num_retries", 1),
            "per_try": seconds(policy.get("per_try_timeout")),
            "codes": policy.get("retriable_status_codes"),
            "hosts": sorted(p["name"].rsplit(".", 1)[-1] for p in policy.get("retry_host_predicate", [])),
            "back_off": policy.get("retry_back_off"),
            "priority": "retry_priority" in policy or None,
        }
    )
