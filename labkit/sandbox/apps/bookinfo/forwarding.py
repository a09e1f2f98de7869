"""Which headers an app hands on to the apps it calls.

Envoy cannot know which outgoing call belongs to which incoming request: the app has to say so by
forwarding these. The names are the original Bookinfo's.
"""

from collections.abc import Mapping

TRACING = (
    "x-request-id",
    "x-b3-traceid",
    "x-b3-spanid",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-flags",
    "b3",
    "traceparent",
    "tracestate",
    "x-ot-span-context",
    "x-datadog-trace-id",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-cloud-trace-context",
    "grpc-trace-bin",
    "sw8",
)
"""What makes the calls of one request one trace, in the formats of every tracer that Istio supports."""

OF_THE_USER = ("user-agent", "cookie", "authorization", "jwt")
"""What tells who asked."""


def forwarded(headers: Mapping[str, str], *, user: str | None = None) -> dict[str, str]:
    """The headers to send on; ``end-user`` too, unless ``user`` replaces it ("" for nobody).

    The product page knows its user from the session and passes it, so a client cannot pretend to be
    somebody by sending ``end-user``; the apps behind it hand on what they got.
    """
    kept = {name: headers[name] for name in (*TRACING, *OF_THE_USER) if name in headers}
    who = headers.get("end-user", "") if user is None else user
    return kept | ({"end-user": who} if who else {})


def service_url(env: Mapping[str, str], service: str) -> str:
    """``http://ratings:9080/ratings``, unless variables such as ``RATINGS_HOSTNAME`` say otherwise."""
    name, domain = service.upper(), env.get("SERVICES_DOMAIN", "")
    host = env.get(f"{name}_HOSTNAME") or service
    port = env.get(f"{name}_SERVICE_PORT") or "9080"
    return f"http://{host}{f'.{domain}' if domain else ''}:{port}/{service}"
