"""Records cases: sends the requests of steps to a real API server and writes its replies with placeholders.

``replaying`` sends the same steps to ours. The server that is recorded runs without controllers, so that an object's
versions count requests alone.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from tests.sandbox.apiserver import likeness, replaying
from tests.sandbox.apiserver.replaying import Api, Json

UID = re.compile(rf"\b{likeness.UID}\b")
MICRO = re.compile(rf"{likeness.SECOND}\.\d{{6}}Z")
TIME = re.compile(rf"{likeness.SECOND}Z")
AGE = re.compile(r"\d+s")
TOKEN_VOLUME = re.compile(r"(?<=kube-api-access-)[a-z0-9]{5}\b")
VERSION_IN_TEXT = re.compile(
    r"((?:ResourceVersion in (?:precondition|object meta)|Too large resource version): "
    r"|ResourceVersion in the precondition \(|ResourceVersion in record \()(\d+)\b"
)
VERSION_IN_OBJECT = re.compile(r'(\\"resourceVersion\\":\\")\d+')
"""Where a message quotes an object."""

NUMBERED = re.compile(r"<rv=(\d+)>")
ADDRESSES = ("clusterIP", "clusterIPs")


class Recorder:
    """Replies of one case: the same value gets the same placeholder."""

    def __init__(self, sent: str) -> None:
        self._sent = sent
        self._numbers: dict[tuple[str, str], int] = {}
        self._count: dict[str, int] = {}

    def _placeholder(self, kind: str, value: str) -> str:
        if (kind, value) not in self._numbers:
            self._count[kind] = self._count.get(kind, 0) + 1
            self._numbers[kind, value] = self._count[kind]
        return f"<{kind}:{self._numbers[kind, value]}>"

    def form(self, value: Any, key: str = "", *, within: str = "") -> Any:
        """A reply's value with placeholders; ``key`` names the field it stands in."""
        if isinstance(value, dict):
            return self._of_object(value, within=within or key)
        if isinstance(value, list):
            return [self.form(item, key, within=within) for item in value]
        if key == "nodePort" and isinstance(value, int) and f'"nodePort": {value}' not in self._sent:
            return self._placeholder("port", str(value))
        return self._of_text(value, key, within) if isinstance(value, str) else value

    def _of_object(self, value: Json, within: str) -> Json:
        formed = {self._of_text(k, "", ""): self.form(v, k, within=within) for k, v in value.items()}
        if value.get("kind", "").endswith("List") or value.get("kind") == "Table":
            for field in ("resourceVersion", "continue"):
                if (value.get("metadata") or {}).get(field):
                    formed["metadata"][field] = "<rv>" if field == "resourceVersion" else "<continue>"
        elif value.get("generateName") and value.get("name", "").startswith(value["generateName"]):
            prefix = value["generateName"]
            formed["name"] = prefix + self._placeholder("gen", value["name"].removeprefix(prefix))
        return formed

    def _of_text(self, text: str, key: str, within: str) -> str:
        if key == "resourceVersion" and text.isdigit() and text != "0":
            return f"<rv={text}>"
        if key in ADDRESSES and re.fullmatch(r"[\d.]+", text) and text not in self._sent:
            return self._placeholder("ip", text)
        if key == "cells" and AGE.fullmatch(text):
            return "<age>"
        if key == "token":
            return "<token>"
        if text in self._sent and (UID.fullmatch(text) or TIME.fullmatch(text) or MICRO.fullmatch(text)):
            return text
        text = UID.sub(lambda m: m[0] if m[0] in self._sent else self._placeholder("uid", m[0]), text)
        text = MICRO.sub("<micro>", text)
        text = TIME.sub(lambda m: m[0] if m[0] in self._sent else "<time>", text)
        text = VERSION_IN_OBJECT.sub(r"\1<rv>", text)
        text = TOKEN_VOLUME.sub(lambda m: self._placeholder("gen", m[0]), text)
        return VERSION_IN_TEXT.sub(lambda m: m[0] if m[0] in self._sent else f"{m[1]}<rv={m[2]}>", text)


def recorded(api: Api, steps: Iterable[Json], *, names: Json) -> list[Json]:
    """The steps with the replies of a server; ``names``: what ``${name}`` stands for."""
    listed = list(steps)
    recorder, created, replied = Recorder(json.dumps(listed)), list[str](), list[Json]()
    for step in listed:
        asked = replaying.filled(step, names)
        reply = replaying.perform(api, asked)
        replaying.remember(step, asked, reply, names, created)
        form = replaying.recorded_form(step, reply, keeps_managers=True)
        if "body" in form:
            form["body"] = recorder.form(form["body"])
        replied.append({**step, "reply": _named(form, names)})
    return numbered(replied)


def _named(form: Any, names: Json) -> Any:
    text = json.dumps(form)
    for name in ("ns", "ns2"):
        text = text.replace(names[name], f"${{{name}}}") if name in names else text
    return json.loads(text)


def numbered(steps: list[Json]) -> list[Json]:
    """Versions numbered by size."""
    text = json.dumps(steps)
    versions = sorted({int(version) for version in NUMBERED.findall(text)})
    numbers = {version: number for number, version in enumerate(versions, 1)}
    result: list[Json] = json.loads(NUMBERED.sub(lambda m: f"<rv:{numbers[int(m[1])]}>", text))
    return result
