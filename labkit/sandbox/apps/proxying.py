"""Which proxy an environment names for a host. Light: the smallest programs load it too."""

from collections.abc import Mapping


def proxy_for(host: str, env: Mapping[str, str]) -> str:
    """The proxy's URL, ``http://POD_IP:15001``; empty where the host is reached directly."""
    names = (name.strip().lstrip(".") for name in (env.get("no_proxy") or "").split(","))
    if any(name and (host == name or host.endswith(f".{name}")) for name in names):
        return ""
    return env.get("http_proxy") or env.get("HTTP_PROXY") or ""
