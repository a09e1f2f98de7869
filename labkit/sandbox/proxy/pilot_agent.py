"""``pilot-agent request GET config_dump`` inside an istio-proxy container: asks the Envoy beside it."""

import http.client
import sys
from collections.abc import Mapping

from labkit.sandbox.network import door
from labkit.sandbox.proxy.bootstrap import ADMIN_PORT


def main(argv: list[str], env: Mapping[str, str]) -> int:
    """Print the body of Envoy's answer; 1 when it says no."""
    words = [w for w in argv if not w.startswith("-")]
    if "request" not in words or len(words) < words.index("request") + 3:
        print("usage: pilot-agent request METHOD PATH", file=sys.stderr)
        return 2
    at = words.index("request")
    method, path = words[at + 1 : at + 3]
    if path == "drain":
        path = "drain_listeners?graceful"
    link = http.client.HTTPConnection("localhost", ADMIN_PORT)
    try:
        link.sock = door.connect("localhost", ADMIN_PORT, env, within=10.0)
        link.request(method, f"/{path.lstrip('/')}")
        reply = link.getresponse()
        sys.stdout.write(reply.read().decode("utf-8", "replace"))
        sys.stdout.flush()
    except OSError as e:
        print(f"Envoy does not answer on localhost:{ADMIN_PORT}: {e}", file=sys.stderr)
        return 1
    return 0 if reply.status == 200 else 1
