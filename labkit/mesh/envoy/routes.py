"""Route tables as Envoy's route configurations."""

from collections.abc import Iterable, Sequence

from labkit.mesh import durations, ir
from labkit.mesh.envoy import fractions, http_filters, strings, typed
from labkit.mesh.model import Resource

REDIRECTS = {302: "FOUND", 303: "SEE_OTHER", 307: "TEMPORARY_REDIRECT", 308: "PERMANENT_REDIRECT"}
"""301 is Envoy's default."""

PATHS = {
    "exact": "path",
    "prefix": "prefix",
    "elements": "path_separated_prefix",
    "regex": "safe_regex",
}


def route_config(name: str, hosts: Sequence[Resource]) -> Resource:
    """A route configuration; its listener has told the ports apart."""
    return {
        "name": name,
        "validate_clusters": False,
        "ignore_port_in_host_matching": True,
        "max_direct_response_body_size_bytes": 1048576,
        "virtual_hosts": list(hosts),
    }


def table(found: ir.RouteTable, hosts: Iterable[Resource]) -> Resource:
    """A table of virtual hosts; of two with one name the first keeps it."""
    every = list(hosts)
    named = map(under, every, free([host["domains"] for host in every]))
    return route_config(found.name, [*(h for h in named if h is not None), *unknown(found.allows_unknown)])


def virtual_host(host: ir.VirtualHost) -> Resource:
    """One virtual host."""
    resource: Resource = {
        "name": host.name,
        "domains": list(host.domains) if host.is_by_content else ["*"],
        "include_request_attempt_count": True,
        "routes": [route(r) for r in host.routes],
    }
    return {**resource, "require_tls": "ALL"} if host.needs_tls else resource


def free(domains: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Of each host the domains that none before it has: Envoy knows no capitals, and refuses one that comes twice."""
    taken: set[str] = set()
    left: list[tuple[str, ...]] = []
    for of_host in domains:
        own = []
        for domain in of_host:
            if domain.lower() not in taken:
                taken.add(domain.lower())
                own.append(domain)
        left.append(tuple(own))
    return left


def under(host: Resource, domains: Sequence[str]) -> Resource | None:
    """The host under those domains; None where there are none left."""
    if len(domains) == len(host["domains"]):
        return host
    return {**host, "domains": list(domains)} if domains else None


def unknown(allows: bool | None) -> list[Resource]:
    """The virtual host for names that no other has: passed on, refused, or none at all."""
    if allows is None:
        return []
    if allows:
        action: Resource = {"route": {"cluster": "PassthroughCluster", "timeout": "0s", "max_grpc_timeout": "0s"}}
    else:
        action = {"direct_response": {"status": 502}}
    name = "allow_any" if allows else "block_all"
    only = {"name": name, "match": {"prefix": "/"}, **action}
    return [{"name": name, "domains": ["*"], "include_request_attempt_count": True, "routes": [only]}]


def route(found: ir.Route) -> Resource:
    """One route."""
    made: Resource = {"match": match(found.match)}
    if found.name:
        made["name"] = found.name
    if found.source:
        made["metadata"] = {"filter_metadata": {"istio": {"config": found.source}}}
    if found.operation:
        made["decorator"] = {"operation": found.operation}
    made |= headers(found.headers)
    if isinstance(found.action, ir.Redirect):
        made["redirect"] = _redirect(found.action)
    elif isinstance(found.action, ir.Reply):
        made["direct_response"] = _reply(found.action)
    else:
        made["route"] = forward(found.action)
    filters = http_filters.of_route(found)
    return {**made, "typed_per_filter_config": filters} if filters else made


def match(found: ir.Match) -> Resource:
    """Path, headers and query."""
    if found.is_empty:
        return {"prefix": "/"}
    value = found.path.value
    key = PATHS[found.path.kind]
    made: Resource = {key: {"regex": value} if key == "safe_regex" else value}
    made["case_sensitive"] = not found.ignores_case
    if found.headers:
        made["headers"] = [_condition(c) for c in found.headers]
    if found.query:
        made["query_parameters"] = [_condition(c) for c in found.query]
    if found.claims:
        made["dynamic_metadata"] = [_claim(path, c) for path, c in found.claims]
    return made


def _claim(path: Sequence[str], found: ir.Condition) -> Resource:
    """A claim is a text or a list of texts."""
    keys = [{"key": "payload"}, *({"key": part} for part in path)]
    value: Resource = {"present_match": True}
    if found.text.kind != "present":
        said = {"string_match": strings.matcher(found.text)}
        value = {"or_match": {"value_matchers": [{"list_match": {"one_of": said}}, said]}}
    made = {"filter": "envoy.filters.http.jwt_authn", "path": keys, "value": value}
    return {**made, "invert": True} if found.is_inverted else made


def _condition(found: ir.Condition) -> Resource:
    made: Resource = {"name": found.name}
    made |= {"present_match": True} if found.text.kind == "present" else {"string_match": strings.matcher(found.text)}
    if found.is_inverted:
        made["invert_match"] = True
        if found.text.kind != "present":
            # A header that is not there is none of the forbidden ones.
            made["treat_missing_header_as_empty"] = True
    return made


def headers(found: ir.Headers) -> Resource:
    """Header changes of both directions."""
    made: Resource = {}
    for side, change in (("request", found.request), ("response", found.response)):
        added = [
            {"header": {"key": k, "value": v}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"} for k, v in change.set
        ]
        added += [{"header": {"key": k, "value": v}, "append_action": "APPEND_IF_EXISTS_OR_ADD"} for k, v in change.add]
        if added:
            made[f"{side}_headers_to_add"] = added
        if change.remove:
            made[f"{side}_headers_to_remove"] = list(change.remove)
    return made


def forward(action: ir.Forward) -> Resource:
    """Where requests go, how long and how often it is tried."""
    made: Resource = {}
    if action.is_weighted:
        made["weighted_clusters"] = {"clusters": [_weighted(d) for d in action.destinations]}
    elif action.destinations:
        made["cluster"] = action.destinations[0].upstream
    made["timeout"] = durations.proto(action.timeout)
    made["max_grpc_timeout"] = made["timeout"]
    if action.retries:
        made["retry_policy"] = retry_policy(action.retries)
    if action.mirrors:
        made["request_mirror_policies"] = [_mirror(m) for m in action.mirrors]
    if action.new_prefix:
        made["prefix_rewrite"] = action.new_prefix
    if action.new_path:
        made["regex_rewrite"] = {"pattern": {"regex": action.new_path[0]}, "substitution": action.new_path[1]}
    if action.authority:
        made["host_rewrite_literal"] = action.authority
    if action.hashes:
        made["hash_policy"] = [_hash(h) for h in action.hashes]
    if action.missing_upstream_status:
        made["cluster_not_found_response_code"] = action.missing_upstream_status
    return made


def _hash(found: ir.Hash) -> Resource:
    if found.kind == "header":
        return {"header": {"header_name": found.name}}
    if found.kind == "query":
        return {"query_parameter": {"name": found.name}}
    if found.kind == "source":
        return {"connection_properties": {"source_ip": True}}
    cookie: Resource = {"name": found.name}
    if found.path:
        cookie["path"] = found.path
    if found.ttl is not None:
        cookie["ttl"] = durations.proto(found.ttl)
    if found.attributes:
        cookie["attributes"] = [{"name": name, "value": value} for name, value in found.attributes]
    return {"cookie": cookie}


def _weighted(destination: ir.Destination) -> Resource:
    made = {"name": destination.upstream, "weight": destination.weight, **headers(destination.headers)}
    if destination.headers.authority:
        made["host_rewrite_literal"] = destination.headers.authority
    return made


def retry_policy(found: ir.Retries) -> Resource:
    """How often, when, and where."""
    made: Resource = {"retry_on": found.on, "num_retries": found.attempts, "host_selection_retry_max_attempts": "5"}
    if found.avoids_previous_hosts:
        made["retry_host_predicate"] = [
            typed(
                "envoy.retry_host_predicates.previous_hosts",
                "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )
        ]
    if found.codes:
        made["retriable_status_codes"] = list(found.codes)
    if found.per_try is not None:
        made["per_try_timeout"] = durations.proto(found.per_try)
    if found.back_off is not None:
        made["retry_back_off"] = {"base_interval": durations.proto(found.back_off)}
    if found.prefers_other_localities:
        made["retry_priority"] = typed(
            "envoy.retry_priorities.previous_priorities",
            "extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
            update_frequency=2,
        )
    return made


def _mirror(found: ir.Mirror) -> Resource:
    share = (
        {"numerator": 100, "denominator": "HUNDRED"} if found.percent is None else fractions.of_percent(found.percent)
    )
    return {
        "cluster": found.upstream,
        "runtime_fraction": {"default_value": share},
        "trace_sampled": False,
        "disable_shadow_host_suffix_append": True,
    }


def _redirect(found: ir.Redirect) -> Resource:
    made: Resource = {"prefix_rewrite": found.prefix} if found.prefix is not None else {"path_redirect": found.path}
    if found.code in REDIRECTS:
        made["response_code"] = REDIRECTS[found.code]
    for key, value in (
        ("host_redirect", found.authority),
        ("scheme_redirect", found.scheme),
        ("port_redirect", found.port),
    ):
        if value:
            made[key] = value
    return made


def _reply(found: ir.Reply) -> Resource:
    made: Resource = {"status": found.status}
    if found.text is not None:
        made["body"] = {"inline_string": found.text}
    elif found.data is not None:
        made["body"] = {"inline_bytes": found.data}
    return made
