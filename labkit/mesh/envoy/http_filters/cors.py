"""Which pages of other origins may call."""

from labkit.mesh import ir
from labkit.mesh.envoy import TYPE, strings, typed
from labkit.mesh.model import Resource

NAME = "envoy.filters.http.cors"
ENTRY = typed(NAME, "extensions.filters.http.cors.v3.Cors")


def of_listener(http: ir.Http) -> Resource | None:
    """Present everywhere, as in Istio: only routes give it something to do."""
    return ENTRY


def of_route(route: ir.Route) -> Resource | None:
    """The CORS policy of a route."""
    cors = route.cors
    if cors is None:
        return None
    config: Resource = {
        "@type": f"{TYPE}.extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [strings.matcher(o) for o in cors.origins if o.kind != "present"],
        "filter_enabled": {"default_value": {"numerator": 100, "denominator": "HUNDRED"}},
        "forward_not_matching_preflights": cors.forwards_unmatched_preflights,
    }
    for key, value in (
        ("allow_methods", cors.methods),
        ("allow_headers", cors.headers),
        ("expose_headers", cors.exposed),
    ):
        if value:
            config[key] = value
    if cors.max_age is not None:
        config["max_age"] = str(round(cors.max_age))
    if cors.credentials is not None:
        config["allow_credentials"] = cors.credentials
    return config
