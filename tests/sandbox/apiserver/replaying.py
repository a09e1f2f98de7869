"""Recorded cases (``tests/answers/README.md``) sent to a server: what it answers otherwise."""

import base64
import http.client
import itertools
import json
import re
import ssl
import time
import urllib.parse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.sandbox.apiserver import likeness, pointers

HEADERS = ("Content-Type", "Warning", "Retry-After", "Www-Authenticate", "Location", "Allow")
"""The headers that were recorded."""

OWN_WARNING = '299 - "not in this sandbox: '
"""How warnings begin that no real server gives: the sandbox says what it does not carry out."""

JSON = {"Content-Type": "application/json"}
POLL = 0.1
"""Seconds between two looks where a step waits."""

Json = dict[str, Any]
Reply = tuple[int, dict[str, Any], bytes]

_numbers = itertools.count()


class Api:
    """A server, with one open connection; ``patience``: seconds that a step waits at most."""

    def __init__(self, kubeconfig: Path, *, patience: float) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, self._token = config["clusters"][0]["cluster"], config["users"][0]["user"]["token"]
        authority = kubeconfig.parent / cluster["certificate-authority"]
        place = urllib.parse.urlsplit(cluster["server"]).netloc
        context = ssl.create_default_context(cafile=str(authority))
        self._connection = http.client.HTTPSConnection(place, timeout=60, context=context)
        self.patience = patience

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def call(
        self, method: str, path: str, headers: Json | None = None, body: bytes | None = None, user: str = ""
    ) -> Reply:
        """Send a request; ``user``: ``anonymous``, ``token:…``, or the kubeconfig's where it is empty."""
        token = user.removeprefix("token:") if user.startswith("token:") else "" if user else self._token
        identity = {"Authorization": f"Bearer {token}"} if token else {}
        headers = {"Accept": "application/json", **(headers or {}), **identity}
        try:
            return self._ask(method, path, headers, body)
        except (http.client.HTTPException, OSError):
            # The server may close an idle connection; a new one is opened by the next request.
            self._connection.close()
            return self._ask(method, path, headers, body)

    def _ask(self, method: str, path: str, headers: Json, body: bytes | None) -> Reply:
        self._connection.request(method, path, body=body, headers=headers)
        reply = self._connection.getresponse()
        content = reply.read()
        every = {name: values for name in HEADERS if (values := reply.headers.get_all(name))}
        kept: Json = {name: values[0] for name, values in every.items() if name != "Warning"}
        warnings = [text for text in every.get("Warning", ()) if not text.startswith(OWN_WARNING)]
        return reply.status, kept | ({"Warning": warnings} if warnings else {}), content


def differences(api: Api, case: Json, *, unordered: Sequence[str] = ()) -> list[str]:
    """What a server answers otherwise than recorded: lines, none where all is alike.

    ``unordered``: pointers of lists that are compared as sets in every step. A case with ``controllers: false`` needs a
    server that runs none.
    """
    names = {name: _fresh() for name in ("ns", "ns2")}
    spaces = [names[name] for name in case.get("namespaces", ())]
    created: list[str] = []
    try:
        for space in spaces:
            _make_namespace(api, space, controllers=case.get("controllers", True))
        return _of_steps(api, case, names, created, unordered)
    finally:
        for path in [*reversed(created), *(f"/api/v1/namespaces/{space}" for space in spaces)]:
            api.call("DELETE", path)


def _fresh() -> str:
    # Names of five letters, as of the recording: some replies quote their length.
    number, letters = next(_numbers), "bcdfghjklm"
    return "ka-" + "".join(letters[int(digit)] for digit in f"{number:05}")


def _make_namespace(api: Api, name: str, *, controllers: bool) -> None:
    api.call("POST", "/api/v1/namespaces", JSON, json.dumps({"metadata": {"name": name}}).encode())
    if not controllers:
        account = json.dumps({"metadata": {"name": "default"}}).encode()
        api.call("POST", f"/api/v1/namespaces/{name}/serviceaccounts", JSON, account)
        return
    for path in ("serviceaccounts/default", "configmaps/kube-root-ca.crt"):
        perform(api, {"do": f"GET /api/v1/namespaces/{name}/{path}", "wait": {"seconds": 5, "every": 0.02}})


SETTLING = 10.0
"""Seconds after what a step waits for in which the rest of its object comes to be as recorded."""


def _of_steps(api: Api, case: Json, names: Json, created: list[str], unordered: Sequence[str]) -> list[str]:
    values, lines = likeness.Values(), list[str]()
    for number, step in enumerate(case["steps"], 1):
        asked = filled({key: value for key, value in step.items() if key != "reply"}, names)
        settled_by = time.monotonic() + (SETTLING if "wait" in step else 0)
        before = values.copy()
        while True:
            reply = perform(api, asked, patience=_patience(api, step))
            remember(step, asked, reply, names, created)
            recorded = filled(step["reply"], names)
            seen = recorded_form(step, reply, keeps_managers=bool(case.get("managed_fields")))
            # A step that only prepares has its status recorded, and no more.
            seen = {key: value for key, value in seen.items() if key in recorded}
            sets = [f"/body{pointer}" for pointer in (*step.get("unordered", ()), *unordered)]
            here = list(likeness.differences(recorded, seen, values, sets=sets))
            if not here or time.monotonic() > settled_by:
                break
            # Of several controllers the one that is waited for may be the first, on a busy machine.
            values = before.copy()
            time.sleep(POLL)
        lines += [f"step {number} ({asked['do']}): {line}" for line in here]
        if here and recorded["status"] != reply[0]:
            break
    return lines


def filled(value: Any, names: Json) -> Any:
    """A value with names in the place of ``${name}``."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda match: str(names.get(match[1], match[0])), value)
    if isinstance(value, list):
        return [filled(item, names) for item in value]
    if isinstance(value, dict):
        return {filled(key, names): filled(item, names) for key, item in value.items()}
    return value


def _patience(api: Api, step: Json) -> float:
    """How long a step waits; no longer than the recording where that waited in vain."""
    wait, status = step.get("wait") or {}, step["reply"].get("status")
    return wait["seconds"] if wait.get("status", status) != status and "seconds" in wait else api.patience


def perform(api: Api, step: Json, *, patience: float | None = None) -> Reply:
    """Send a step's request, again and again where it waits for something."""
    method, _, path = step["do"].partition(" ")
    body = _body(step)
    headers = {
        **step.get("headers", {}),
        **({"Content-Type": step.get("type", JSON["Content-Type"])} if body is not None or "type" in step else {}),
        **({"Accept": step["accept"]} if "accept" in step else {}),
    }
    wait = step.get("wait")
    end = time.monotonic() + (api.patience if patience is None else patience)
    while True:
        reply = api.call(method, path, headers, body, step.get("as") or "")
        if wait is None or _is_over(reply, wait) or time.monotonic() > end:
            return reply
        time.sleep(wait.get("every", POLL))


def _body(step: Json) -> bytes | None:
    if "base64" in step:
        return base64.b64decode(step["base64"])
    content = step.get("send")
    if content is None:
        return None
    return (content if isinstance(content, str) else json.dumps(content)).encode()


def _is_over(reply: Reply, wait: Json) -> bool:
    status, _, content = reply
    if status != wait.get("status", 200):
        return False
    return "until" not in wait or pointers.contains(_json(content), wait["until"])


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return {}


def remember(step: Json, asked: Json, reply: Reply, names: Json, created: list[str]) -> None:
    """Keep the values that later steps name, and the path of an object that no namespace takes with it."""
    status, _, content = reply
    body = _json(content)
    body = body if isinstance(body, dict) else {}
    method, _, path = asked["do"].partition(" ")
    if status == 201 and "/namespaces/" not in step["do"] and "Review" not in body.get("kind", ""):
        path = path.partition("?")[0]
        created.append(path if method == "PATCH" else f"{path}/{body.get('metadata', {}).get('name')}")
    for name, pointer in step.get("save", {}).items():
        value = pointers.value_at(body, pointer)
        names[name] = "" if value is pointers.ABSENT else value


def recorded_form(step: Json, reply: Reply, *, keeps_managers: bool) -> Json:
    """A reply as it would have been recorded: status, headers, and a body, or a text that is not JSON."""
    status, headers, content = reply
    form: Json = {"status": status, "headers": headers}
    text = content.decode("utf-8", "replace")
    try:
        is_watch = "watch=" in step["do"] and status == 200
        body = [json.loads(line) for line in text.splitlines() if line.strip()] if is_watch else json.loads(text)
    except ValueError:
        # The recording keeps no bytes of protobuf.
        form["text"] = "<any>" if "\0" in text or not (text.isprintable() or "\n" in text) else text
    else:
        if not keeps_managers:
            pointers.remove(body, ["**", "managedFields"])
        form["body"] = _chosen(body, step["only"]) if "only" in step else body
    for item in step.get("ignore", ()):
        pointers.remove(form, pointers.parts(item["path"]))
    return form


def _chosen(body: Any, only: list[str]) -> Json:
    values = {pointer: pointers.value_at(body, pointer) for pointer in only}
    return {pointer: value for pointer, value in values.items() if value is not pointers.ABSENT}
