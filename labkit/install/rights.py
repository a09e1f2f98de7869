"""What this user may do on a cluster, asked before anything is changed, and what to ask its owner for."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from labkit.base import errors
from labkit.install import kinds
from labkit.kube import client
from labkit.kube.resources import Object

VERBS = ("create", "patch")
"""What ``kubectl apply`` does, besides reading."""

ROLE_VERBS = "get,list,watch,create,patch,delete"
"""What a lesson does with its objects, from its first cell to the last."""

TIMEOUT = 8.0


@dataclass(frozen=True, kw_only=True)
class Right:
    """One thing that somebody may do."""

    verb: str
    group: str
    resource: str
    """Its plural, perhaps with a subresource: ``pods/exec``."""

    namespace: str = ""
    """Empty for the whole cluster."""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{f' in {self.namespace}' if self.namespace else ''}"


class RightsError(errors.LabError):
    """This user may not create what was to be applied; nothing was changed."""

    def __init__(self, what: str, denied: Sequence[Right], *, user: str) -> None:
        super().__init__(
            f"{what[:1].upper()}{what[1:]}: {told(denied)}; nothing was changed.\nNext: {request(denied, user=user)}"
        )


def of_objects(api: client.Client, objects: Iterable[Object], *, namespace: str) -> list[Right]:
    """What applying them needs; kinds that the cluster does not serve need nothing, since applying says so."""
    needed = []
    for obj in objects:
        try:
            resource = kinds.resource_of(api, obj)
        except errors.ManifestError:
            continue
        place = (obj["metadata"].get("namespace") or namespace) if resource.namespaced else ""
        needed += [Right(verb=verb, group=resource.group, resource=resource.plural, namespace=place) for verb in VERBS]
    return list(dict.fromkeys(needed))


def denied(api: client.Client, rights: Iterable[Right]) -> list[Right]:
    """Those of them that this user does not have."""
    return [right for right in rights if not may(api, right)]


def may(api: client.Client, right: Right) -> bool:
    """Whether the API server would let this user."""
    plural, _, sub = right.resource.partition("/")
    asked = {
        "group": right.group,
        "resource": plural,
        "subresource": sub,
        "verb": right.verb,
        "namespace": right.namespace,
    }
    attributes = {key: value for key, value in asked.items() if value}
    answer = _review(api, "authorization.k8s.io", "SelfSubjectAccessReview", {"resourceAttributes": attributes})
    return bool(answer.get("allowed"))


def user(api: client.Client) -> str:
    """Who the API server takes this user for; ``YOU`` where it does not say."""
    info = _review(api, "authentication.k8s.io", "SelfSubjectReview", {}).get("userInfo") or {}
    return str(info.get("username") or "YOU")


def require(api: client.Client, objects: Iterable[Object], *, namespace: str, what: str) -> None:
    """RightsError where this user may not apply all of the objects."""
    if missing := denied(api, of_objects(api, objects, namespace=namespace)):
        raise RightsError(what, missing, user=user(api))


def told(rights: Collection[Right]) -> str:
    """``create limitranges, resourcequotas in shop``."""
    places: dict[str, list[str]] = {}
    for right in rights:
        places.setdefault(right.namespace, []).append(right.resource)
    parts = []
    for place, names in places.items():
        where = f" in namespace {place}" if place else ""
        parts.append(f"you may not create or change {', '.join(sorted({*names}))}{where}")
    return " and ".join(parts)


def request(rights: Sequence[Right], *, user: str) -> str:
    """The commands by which the cluster's owner gives them."""
    commands = []
    for place in dict.fromkeys(right.namespace for right in rights):
        names = dict.fromkeys(
            f"{right.resource}.{right.group}" if right.group else right.resource
            for right in rights
            if right.namespace == place
        )
        role, scope = ("role", f" -n {place}") if place else ("clusterrole", "")
        commands += [
            f"kubectl create {role} labkit-more{scope} --verb={ROLE_VERBS} --resource={','.join(names)}",
            f"kubectl create {role}binding labkit-more{scope} --{role}=labkit-more {_subject(user)}",
        ]
    return "ask the cluster's owner for this: " + " && ".join(commands)


def _subject(user: str) -> str:
    kind, _, rest = user.partition("system:serviceaccount:")
    return f"--serviceaccount={rest}" if rest and not kind else f"--user={user}"


def _review(api: client.Client, group: str, kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    """The status of a review of ours; empty where the server does not answer it."""
    body = {"apiVersion": f"{group}/v1", "kind": kind, **({"spec": spec} if spec else {})}
    path = f"/apis/{group}/v1/{kind.lower()}s"
    code, _, answer = api.raw("POST", path, body=body, headers={"Content-Type": "application/json"}, timeout=TIMEOUT)
    status: dict[str, Any] = json.loads(answer).get("status") or {} if code == 201 else {}
    return status
