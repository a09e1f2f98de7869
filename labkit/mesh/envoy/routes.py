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


def table(route_table: ir.RouteTable, hosts: Iterable[Resource]) -> Resource:
    """A table of virtual hosts; of two with one name the first keeps it."""
    every = list(hosts)
    named = map(under, every, free([host["domains"] for host in every]))
    return route_config(route_table.name, [*(h for h in named if h is not None), *unknown(route_table.allows_unknown)])


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


def route(route: ir.Route) -> Resource:
    """One route."""
    resource: Resource = {"match": match(route.match)}
    if route.name:
        resource["name"] = route.name
    if route.source:
        resource["metadata"] = {"filter_metadata": {"istio": {"config": route.source}}}
    if route.operation:
        resource["decorator"] = {"operation": route.operation}
    resource |= headers(route.headers)
    if isinstance(route.action, ir.Redirect):
        resource["redirect"] = _redirect(route.action)
    elif isinstance(route.action, ir.Reply):
        resource["direct_response"] = _reply(route.action)
    else:
        resource["route"] = forward(route.action)
    filters = http_filters.of_route(route)
    return {**resource, "typed_per_filter_config": filters} if filters else resource


def match(match: ir.Match) -> Resource:
    """Path, headers and query."""
    if match.is_empty:
        return {"prefix": "/"}
    value = match.path.value
    key = PATHS[match.path.kind]
    resource: Resource = {key: {"regex": value} if key == "safe_regex" else value}
    resource["case_sensitive"] = not match.ignores_case
    if match.headers:
        resource["headers"] = [_condition(c) for c in match.headers]
    if match.query:
        resource["query_parameters"] = [_condition(c) for c in match.query]
    if match.claims:
        resource["dynamic_metadata"] = [_claim(path, c) for path, c in match.claims]
    return resource


def _claim(path: Sequence[str], condition: ir.Condition) -> Resource:
    """A claim is a text or a list of texts."""
    keys = [{"key": "payload"}, *({"key": part} for part in path)]
    value: Resource = {"present_match": True}
    if condition.text.kind != "present":
        one_of = {"string_match": strings.matcher(condition.text)}
        value = {"or_match": {"value_matchers": [{"list_match": {"one_of": one_of}}, one_of]}}
    matcher = {"filter": "envoy.filters.http.jwt_authn", "path": keys, "value": value}
    return {**matcher, "invert": True} if condition.is_inverted else matcher


def _condition(condition: ir.Condition) -> Resource:
    resource: Resource = {"name": condition.name}
    resource |= (
        {"present_match": True}
        if condition.text.kind == "present"
        else {"string_match": strings.matcher(condition.text)}
    )
    if condition.is_inverted:
        resource["invert_match"] = True
        if condition.text.kind != "present":
            # A header that is not there is none of the forbidden ones.
            resource["treat_missing_header_as_empty"] = True
    return resource


def headers(headers: ir.Headers) -> Resource:
    """Header changes of both directions."""
    resource: Resource = {}
    for side, change in (("request", headers.request), ("response", headers.response)):
        added = [
            {"header": {"key": k, "value": v}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"} for k, v in change.set
        ]
        added += [{"header": {"key": k, "value": v}, "append_action": "APPEND_IF_EXISTS_OR_ADD"} for k, v in change.add]
        if added:
            resource[f"{side}_headers_to_add"] = added
        if change.remove:
            resource[f"{side}_headers_to_remove"] = list(change.remove)
    return resource


def forward(action: ir.Forward) -> Resource:
    """Where requests go, how long and how often it is tried."""
    resource: Resource = {}
    if action.is_weighted:
        resource["weighted_clusters"] = {"clusters": [_weighted(d) for d in action.destinations]}
    elif action.destinations:
        resource["cluster"] = action.destinations[0].upstream
    resource["timeout"] = durations.proto(action.timeout)
    resource["max_grpc_timeout"] = resource["timeout"]
    if action.retries:
        resource["retry_policy"] = retry_policy(action.retries)
    if action.mirrors:
        resource["request_mirror_policies"] = [_mirror(m) for m in action.mirrors]
    if action.new_prefix:
        resource["prefix_rewrite"] = action.new_prefix
    if action.new_path:
        resource["regex_rewrite"] = {"pattern": {"regex": action.new_path[0]}, "substitution": action.new_path[1]}
    if action.authority:
        resource["host_rewrite_literal"] = action.authority
    if action.hashes:
        resource["hash_policy"] = [_hash(h) for h in action.hashes]
    if action.missing_upstream_status:
        resource["cluster_not_found_response_code"] = action.missing_upstream_status
    return resource


def _hash(hash: ir.Hash) -> Resource:
    if hash.kind == "header":
        return {"header": {"header_name": hash.name}}
    if hash.kind == "query":
        return {"query_parameter": {"name": hash.name}}
    if hash.kind == "source":
        return {"connection_properties": {"source_ip": True}}
    cookie: Resource = {"name": hash.name}
    if hash.path:
        cookie["path"] = hash.path
    if hash.ttl is not None:
        cookie["ttl"] = durations.proto(hash.ttl)
    if hash.attributes:
        cookie["attributes"] = [{"name": name, "value": value} for name, value in hash.attributes]
    return {"cookie": cookie}


def _weighted(destination: ir.Destination) -> Resource:
    cluster = {"name": destination.upstream, "weight": destination.weight, **headers(destination.headers)}
    if destination.headers.authority:
        cluster["host_rewrite_literal"] = destination.headers.authority
    return cluster


def retry_policy(retries: ir.Retries) -> Resource:
    """How often, when, and where."""
    resource: Resource = {
        "retry_on": retries.on,
        "num_retries": retries.attempts,
        "host_selection_retry_max_attempts": "5",
    }
    if retries.avoids_previous_hosts:
        resource["retry_host_predicate"] = [
            typed(
                "envoy.retry_host_predicates.previous_hosts",
                "extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
            )
        ]
    if retries.codes:
        resource["retriable_status_codes"] = list(retries.codes)
    if retries.per_try is not None:
        resource["per_try_timeout"] = durations.proto(retries.per_try)
    if retries.back_off is not None:
        resource["retry_back_off"] = {"base_interval": durations.proto(retries.back_off)}
    if retries.prefers_other_localities:
        resource["retry_priority"] = typed(
            "envoy.retry_priorities.previous_priorities",
            "extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig",
            update_frequency=2,
        )
    return resource


def _mirror(mirror: ir.Mirror) -> Resource:
    share = (
        {"numerator": 100, "denominator": "HUNDRED"} if mirror.percent is None else fractions.of_percent(mirror.percent)
    )
    return {
        "cluster": mirror.upstream,
        "runtime_fraction": {"default_value": share},
        "trace_sampled": False,
        "disable_shadow_host_suffix_append": True,
    }


def _redirect(redirect: ir.Redirect) -> Resource:
    resource: Resource = (
        {"prefix_rewrite": redirect.prefix} if redirect.prefix is not None else {"path_redirect": redirect.path}
    )
    if redirect.code in REDIRECTS:
        resource["response_code"] = REDIRECTS[redirect.code]
    for key, value in (
        ("host_redirect", redirect.authority),
        ("scheme_redirect", redirect.scheme),
        ("port_redirect", redirect.port),
    ):
        if value:
            resource[key] = value
    return resource


def _reply(reply: ir.Reply) -> Resource:
    resource: Resource = {"status": reply.status}
    if reply.text is not None:
        resource["body"] = {"inline_string": reply.text}
    elif reply.data is not None:
        resource["body"] = {"inline_bytes": reply.data}
    return resource
