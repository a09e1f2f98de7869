"""Whatever is sent, the server answers: no error of its own, no traceback in its log, no silence.

The same few hundred requests each time; ``EXAMPLES=other`` draws 10,000 others, 1,000 other objects and 5,000 updates,
which takes minutes: ``EXAMPLES=other pytest -o faulthandler_timeout=1800 tests/sandbox/apiserver/test_mutated.py``.
"""

import http.client
import json
import os
import random
import ssl
import urllib.parse

import pytest
import yaml

from tests import recorded
from tests.sandbox.apiserver import control_plane, mutating
from tests.sandbox.apiserver.mutating import Request

OTHERS = os.environ.get("EXAMPLES") == "other"
REQUESTS, OBJECTS, UPDATES = (10_000, 1_000, 1_000) if OTHERS else (500, 250, 60)
LONGEST = 20
"""Seconds for an answer; the longest that one may take is a watch of one second, or a version that never comes."""


class Connection:
    """Sends requests as they are."""

    def __init__(self, kubeconfig):
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, self._token = config["clusters"][0]["cluster"], config["users"][0]["user"]["token"]
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        place = urllib.parse.urlsplit(cluster["server"]).netloc
        self._connection = http.client.HTTPSConnection(place, timeout=LONGEST, context=context)

    def send(self, request):
        """The code and the body."""
        headers = {"Authorization": f"Bearer {self._token}"} | request.headers
        encoded = {k: v.encode("latin-1" if v in ("\xff", "Bearer \xff") else "utf-8") for k, v in headers.items()}
        self._connection.request(request.method, request.url, body=request.body, headers=encoded)
        reply = self._connection.getresponse()
        content = reply.read()
        if reply.will_close:
            self._connection.close()
        return reply.status, content

    def close(self):
        self._connection.close()


@pytest.fixture(scope="module")
def mutated_plane(tmp_path_factory):
    """A server of its own: what is stored here is odd, and others list everything there is."""
    with control_plane.running(tmp_path_factory.mktemp("mutated")) as plane:
        yield plane


@pytest.fixture
def connection(mutated_plane):
    connection = Connection(mutated_plane.kubeconfig)
    yield connection
    connection.close()


def entries():
    return [e for group in ("narrow", "wide") for e in recorded.KUBERNETES_DRAWN.json_lines(f"{group}.jsonl")]


def is_a_crash(code, content):
    """Whether the server failed; a real one lets some errors of its own through too, and those have no reason."""
    return code >= 500 and b'"reason":"InternalError"' in content


def crashes(connection, requests, caplog):
    caplog.clear()
    failed = []
    for request in requests:
        try:
            code, content = connection.send(request)
        except (OSError, http.client.HTTPException) as e:
            failed.append((request, repr(e)))
            connection.close()
            continue
        if is_a_crash(code, content):
            failed.append((request, content.decode("utf-8", "replace")[:500]))
    tracebacks = [r.getMessage() for r in caplog.records if r.exc_info and r.name.startswith(("labkit", "aiohttp"))]
    return failed, tracebacks


def test_mutated_requests_are_answered(connection, caplog):
    rng = random.Random(None if OTHERS else 1)
    plain = [
        *(Request(method="GET", path=path) for path in ("/api/v1/namespaces/default/configmaps", "/api", "/version")),
        Request(method="GET", path="/api/v1/namespaces/default/pods/p/log"),
        Request(method="GET", path="/apis/apps/v1/deployments", query="limit=2"),
        Request(method="DELETE", path="/api/v1/namespaces/default/configmaps/none", body=b'{"kind":"DeleteOptions"}'),
        Request(
            method="PUT", path="/apis/apps/v1/namespaces/default/deployments/d/scale", body=b'{"spec":{"replicas":1}}'
        ),
        Request(method="POST", path="/api/v1/namespaces/default/pods/p/eviction", body=b'{"metadata":{"name":"p"}}'),
        Request(
            method="PATCH",
            path="/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
            query=mutating.DRY,
            headers={"Content-Type": mutating.JSON_PATCH},
            body=b'[{"op":"add","path":"/data/a","value":"b"},{"op":"remove","path":"/data/a"}]',
        ),
    ]
    drawn = rng.choices(entries(), k=REQUESTS // 2)
    sent = [mutating.ways(e["path"], e["object"], rng) for e in drawn] + rng.choices(plain, k=REQUESTS // 2)
    assert crashes(connection, (mutating.mutated(request, rng) for request in sent), caplog) == ([], [])


def test_mutated_objects_are_answered(connection, caplog):
    rng = random.Random(None if OTHERS else 2)

    def objects():
        for entry in rng.choices(entries(), k=OBJECTS):
            obj = entry["object"]
            for _ in range(rng.randint(1, 4)):
                obj = mutating.mutated_value(obj, rng)
            if isinstance(obj, dict):
                yield mutating.ways(entry["path"], obj, rng)

    assert crashes(connection, objects(), caplog) == ([], [])


def test_mutated_updates_of_what_is_stored_are_answered(connection, caplog):
    """The server's own fields are among what is changed: versions, owners of fields, finalizers, status."""
    rng = random.Random(None if OTHERS else 3)

    def updates():
        for number, entry in enumerate(rng.choices([e for e in entries() if e["status"] == 201], k=UPDATES)):
            obj = entry["object"] | {"metadata": entry["object"]["metadata"] | {"name": f"updated-{number}"}}
            body = json.dumps(obj).encode()
            headers = {"Content-Type": "application/json"}
            code, content = connection.send(Request(method="POST", path=entry["path"], headers=headers, body=body))
            if code != 201:
                continue  # no namespace, or a quota drawn before
            for _ in range(5):
                changed = json.dumps(mutating.mutated_value(json.loads(content), rng)).encode("utf-8", "replace")
                method, content_type = rng.choice([("PUT", "application/json"), ("PATCH", mutating.MERGE)])
                path = f"{entry['path']}/updated-{number}{rng.choice(('', '', '/status'))}"
                yield Request(method=method, path=path, headers={"Content-Type": content_type}, body=changed)

    assert crashes(connection, updates(), caplog) == ([], [])


@pytest.mark.parametrize("depth", [100, 400, 900, 5_000, 50_000])
def test_however_deep_a_body_is_it_is_answered(connection, depth):
    inner = b'{"a":' * depth + b"1" + b"}" * depth
    body = b'{"metadata":{"name":"d"},"data":{"a":"b"},"x":' + inner + b"}"
    for content_type in ("application/json", "application/yaml"):
        request = Request(
            method="POST",
            path="/api/v1/namespaces/default/configmaps",
            query="dryRun=All",
            headers={"Content-Type": content_type},
            body=body,
        )
        code, content = connection.send(request)
        assert code in (201, 400), json.loads(content)
