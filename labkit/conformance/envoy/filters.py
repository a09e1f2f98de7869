"""Facts of HTTP filters, on a route or in a chain."""

from typing import Any

from labkit.conformance.envoy.values import Json, ordered, percent, present, seconds, text_match

FOLDED = {"and_rules": "rules", "or_rules": "rules", "and_ids": "ids", "or_ids": "ids"}
"""The lists of an RBAC tree that mean nothing when they have one element."""


def per_route(holder: Json) -> Json:
    """The settings that a route or a virtual host has for filters of the chain."""
    configs = holder.get("typed_per_filter_config", {})
    readers = {
        "fault": ("envoy.filters.http.fault", fault),
        "cors": ("envoy.filters.http.cors", cors),
        "local rate limit": ("envoy.filters.http.local_ratelimit", local_rate_limit),
    }
    return {word: reader(configs[name]) for word, (name, reader) in readers.items() if configs.get(name)}


def fault(config: Json) -> Json:
    """Delay as [seconds, percent], abort as [HTTP status, gRPC status, percent]; Envoy reads no percentage as none."""
    delay, abort = config.get("delay"), config.get("abort")
    return present(
        {
            "delay": delay and [seconds(delay.get("fixed_delay")), percent(delay.get("percentage"), absent=0.0)],
            "abort": abort
            and [abort.get("http_status"), abort.get("grpc_status"), percent(abort.get("percentage"), absent=0.0)],
        }
    )


def cors(config: Json) -> Json:
    """A CORS policy."""
    return present(
        {
            "origins": [text_match(origin) for origin in config.get("allow_origin_string_match", [])],
            "methods": config.get("allow_methods"),
            "headers": config.get("allow_headers"),
            "expose": config.get("expose_headers"),
            "max_age": config.get("max_age"),
            "credentials": config.get("allow_credentials"),
            "enabled": percent((config.get("filter_enabled") or {}).get("default_value")),
            "forward_unmatched": config.get("forward_not_matching_preflights"),
        }
    )


def local_rate_limit(config: Json) -> Json:
    """A token bucket as [most tokens, tokens per fill, seconds], and whom it refuses."""
    bucket = config.get("token_bucket") or {}
    return present(
        {
            "bucket": bucket
            and [bucket.get("max_tokens"), bucket.get("tokens_per_fill", 1), seconds(bucket.get("fill_interval"))],
            "status": (config.get("status") or {}).get("code"),
            "enabled": percent((config.get("filter_enabled") or {}).get("default_value"), absent=0.0),
            "enforced": percent((config.get("filter_enforced") or {}).get("default_value"), absent=0.0),
            "headers": [
                [o["header"]["key"], o["header"].get("value")] for o in config.get("response_headers_to_add", [])
            ],
            "descriptors": config.get("descriptors"),
        }
    )


def rbac(config: Json) -> Json:
    """The rules of an RBAC filter as [action, policies]; shadow rules beside them."""
    return {
        kind: [config[kind].get("action", "ALLOW"), {name: _policy(p) for name, p in _policies(config[kind])}]
        for kind in ("rules", "shadow_rules")
        if kind in config
    }


def _policies(rules: Json) -> list[tuple[str, Json]]:
    return sorted(rules.get("policies", {}).items())


def _policy(policy: Json) -> Json:
    return {side: folded(ordered(policy.get(side, []))) for side in ("permissions", "principals")}


def folded(tree: Any) -> Any:
    """An RBAC tree with and/or of one element replaced by the element, and alternatives in order."""
    if isinstance(tree, list):
        return [folded(branch) for branch in tree]
    if not isinstance(tree, dict):
        return tree
    # A header's name is kept; the name of an extension says nothing that its type does not.
    keeps_name = "string_match" in tree or "present_match" in tree
    branches = {k: folded(v) for k, v in tree.items() if k != "google_re2" and (k != "name" or keeps_name)}
    for word, inner in FOLDED.items():
        if word in branches:
            items = ordered(branches[word].get(inner, []))
            return items[0] if len(items) == 1 else {word.partition("_")[0]: items}
    return branches


def jwt(config: Json) -> list[Json]:
    """The providers of a JWT filter, in no order; whether keys are inline or fetched."""
    fields = (
        "issuer", "audiences", "forward", "from_params", "from_cookies", "from_headers", "claim_to_headers",
        "forward_payload_header",
    )  # fmt: skip
    return ordered(
        [
            present({**{f: p.get(f) for f in fields}, "keys": "inline" if "local_jwks" in p else "remote"})
            for p in config.get("providers", {}).values()
        ]
    )
