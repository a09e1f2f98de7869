"""Odd bodies, kinds, headers, queries and paths: a thousand requests, answered as a real API server answered them."""

import base64
import http.client
import json
import re
import ssl
import urllib.parse

import pytest
import yaml

from tests import recorded

PLACES = ((re.compile(r"127\.0\.0\.1:\d+"), "HOST"), (re.compile(r'"uid": "[^"]+"'), '"uid": U'))
TOLD = ("message", "reason", "details", "code")

DIFFERENT: dict[str, str] = {}
"""Cases that are answered otherwise, each with the reason; the list may only shrink."""


@pytest.fixture
def send(plane):
    config = yaml.safe_load(plane.kubeconfig.read_text())
    cluster, token = config["clusters"][0]["cluster"], config["users"][0]["user"]["token"]
    context = ssl.create_default_context(cafile=cluster["certificate-authority"])
    connection = http.client.HTTPSConnection(
        urllib.parse.urlsplit(cluster["server"]).netloc, timeout=60, context=context
    )

    def send(method, path, headers=None, body=b""):
        sent = {"Authorization": f"Bearer {token}"} | (headers or {})
        if body and "Content-Type" not in sent:
            sent["Content-Type"] = "application/json"
        connection.request(method, path, body=body, headers={k: v.encode() for k, v in sent.items()})
        reply = connection.getresponse()
        content = reply.read().decode("utf-8", "replace")
        if reply.will_close:
            connection.close()
        return reply.status, content, reply.headers.get("Warning", "")

    yield send
    connection.close()


def told(content):
    """What of a body no two servers differ in."""
    try:
        body = json.loads(content)
    except ValueError:
        return content[:300]
    if not isinstance(body, dict):
        return content[:300]
    text = f"OBJECT {body.get('kind')}"
    if body.get("kind") == "Status":
        text = json.dumps({key: body[key] for key in TOLD if key in body}, ensure_ascii=False, sort_keys=True)
    for pattern, word in PLACES:
        text = pattern.sub(word, text)
    return text


def test_odd_requests_are_answered_as_a_real_server_answers_them(send):
    def differs(case):
        code, content, warning = send(case["method"], case["path"], case["headers"], base64.b64decode(case["body"]))
        return (code, told(content), warning) != (case["code"], case["answer"], case["warning"])

    cases = recorded.KUBERNETES_DRAWN.json_lines("odd.jsonl")
    assert {case["case"] for case in cases if differs(case)} == set(DIFFERENT)


def test_a_slash_alone_names_no_version_and_so_the_right_one(send):
    body = b'{"apiVersion":"/","kind":"ConfigMap","metadata":{"name":"a"}}'
    code, content, _ = send("POST", "/api/v1/namespaces/default/configmaps?dryRun=All", body=body)
    assert (code, json.loads(content)["apiVersion"]) == (201, "v1")


def event(size):
    regarding = {"namespace": "default"}
    return json.dumps({"metadata": {"name": f"e{size}"}, "involvedObject": regarding, "message": "m" * size}).encode()


@pytest.mark.parametrize(
    ("size", "query", "code", "message"),
    [
        pytest.param(1_400_000, "", 201, "", id="what etcd takes"),
        pytest.param(1_700_000, "", 500, "etcdserver: request is too large", id="more than etcd takes"),
        pytest.param(2_900_000, "", 500, "trying to send message larger than max", id="more than is sent to etcd"),
        pytest.param(2_900_000, "?dryRun=All", 201, "", id="more than etcd takes, and nothing is stored"),
        pytest.param(3_200_000, "", 413, "Request entity too large: limit is 3145728", id="more than is read"),
    ],
)
def test_bodies_are_as_large_as_etcd_allows(send, size, query, code, message):
    status, content, _ = send("POST", f"/api/v1/namespaces/default/events{query}", body=event(size))
    assert (status, message in content) == (code, True)


@pytest.mark.parametrize("name", ["j\u00fcrgen", "\u65e5\u672c"], ids=["latin", "kanji"])
def test_a_user_of_any_alphabet_can_be_impersonated(send, name):
    review = b'{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}'
    headers = {"Impersonate-User": name, "Impersonate-Group": "system:masters"}
    code, content, _ = send("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", headers, review)
    assert (code, json.loads(content)["status"]["userInfo"]["username"]) == (201, name)
    code, content, _ = send("GET", "/api/v1/pods", {"Impersonate-User": name})
    assert (code, f'User "{name}" cannot list' in json.loads(content)["message"]) == (403, True)
