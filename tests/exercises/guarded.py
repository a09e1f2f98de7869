"""Policies and tokens of the mesh in memory: what a proxy refuses, by the model that Envoy was compared with."""

import base64
import json
import time

from labkit.mesh.explain import access
from labkit.mesh.policies import paths
from labkit.mesh.policies.decisions import Caller, Request
from labkit.traffic import tokens


class Guards:
    """Of one scene."""

    def __init__(self, snapshot):
        self._mesh = access.Mesh(snapshot)
        self._workloads = access.workloads(snapshot.of("pods"))

    def at_gateway(self, name, path, headers):
        """Status and text of a refusal, or None where a gateway lets a request through."""
        return self._refusal(self._named(name), None, 8080, path, headers)

    def claims(self, name, headers):
        """What a gateway believes of a request's token."""
        return _claims(self._mesh.guard(self._named(name)).tokens, headers) or {}

    def at_pod(self, pod, caller, port, path, headers):
        """The same of a pod's proxy, for a caller in the mesh."""
        (workload,) = access.workloads([pod])
        return self._refusal(workload, self._named(caller), port, path, headers)

    def _refusal(self, workload, own, port, path, headers):
        guard = self._mesh.guard(workload)
        claims = _claims(guard.tokens, headers)
        if claims is None:
            return 401, "Jwt verification fails"
        asked = Request(
            port=port,
            method=headers.get(":method", "GET"),
            host=headers.get("host", ""),
            path=paths.normalized(path) or "",
            headers={k.lower(): v for k, v in headers.items()},
        )
        who = Caller(principal=own.principal() if own else "", claims=claims)
        decision = self._mesh.decide(who, workload, asked)
        if decision.asks and not self._authorizer_allows(asked):
            return 403, "denied by ext_authz for not found header `x-ext-authz: allow` in the request"
        return None if decision.is_allowed else (403, "RBAC: access denied")

    def _authorizer_allows(self, asked):
        """As Istio's sample decides, where a pod of it runs."""
        return self._named("ext-authz") is not None and asked.headers.get("x-ext-authz") == "allow"

    def _named(self, name):
        short = name.removeprefix("istio-") if name.startswith("istio-ingress") else name
        return next((w for w in self._workloads if w.name.startswith(short)), None)


def _claims(believed, headers):
    """Claims of a good token, none without one; None for a bad one."""
    scheme, _, token = {k.lower(): v for k, v in headers.items()}.get("authorization", "").partition(" ")
    if believed is None or scheme != "Bearer" or all(i.headers or i.parameters for i in believed.issuers):
        return {}
    parts = token.split(".")
    if len(parts) != 3 or not parts[2]:
        return None
    claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    own = json.loads(tokens.jwks())["keys"][0]["n"]
    named = [i for i in believed.issuers if i.issuer == claims["iss"] and own in i.keys]
    audiences = claims.get("aud", [])
    fits = [
        i
        for i in named
        if not i.audiences or {*i.audiences} & {*([audiences] if isinstance(audiences, str) else audiences)}
    ]
    return claims if fits and claims["exp"] > time.time() and _is_ours(token) else None


def _is_ours(token):
    """Whether the lessons' key signed it."""
    signed, _, signature = token.rpartition(".")
    return tokens._signature(signed, is_forged=False) == signature
