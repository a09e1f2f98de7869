"""Our model of "allowed?" against a real Envoy: drawn policies, callers with and without certificates and tokens."""

import os
import random
from pathlib import Path

import pytest

from labkit.mesh import ir
from labkit.mesh.policies import authorization, decisions, paths, request_authentication
from labkit.sandbox.network import addresses
from labkit.sandbox.proxy import agent
from labkit.traffic import tokens
from tests.mesh.policies import drawn, enforcing
from tests.mesh.policies.enforcing import MUTUAL, PLAIN, Call

GUARDS, CALLS = 120, 50
SEED = random.randrange(2**32) if os.environ.get("EXAMPLES") == "other" else 7

CLAIMS = {
    "jason": {"groups": ["admins", "users"], "aud": "shop", "azp": "app", "scope": "read write"},
    "kate": {"groups": "users", "aud": ["store", "shop"], "realm": {"role": "boss"}},
}
GOOD = {name: tokens.token(name, **claims) for name, claims in CLAIMS.items()}
TOKENS = {
    **GOOD,
    "forged": tokens.token("jason", is_forged=True, groups=["admins"]),
    "expired": tokens.token("jason", lifetime=-3600),
    "unsigned": tokens.token("jason", algorithm="none"),
    "foreign issuer": tokens.token("jason", issuer="nobody@example.com"),
}


def asked(call: Call, token: str) -> tuple[decisions.Caller, decisions.Request] | int:
    """What the model is asked, or the status without asking."""
    path = paths.normalized(call.path)
    if path is None:
        return 400
    if token != "none" and token not in GOOD:
        return 401
    forwarded = dict(call.headers).get("X-Forwarded-For", "")
    caller = decisions.Caller(
        principal=f"spiffe://cluster.local/ns/{call.account.replace('/', '/sa/')}" if call.account else "",
        address=call.source,
        client_address=forwarded,
        server_name="test",
        claims=GOOD[token].claims if token in GOOD else {},
    )
    request = decisions.Request(
        port=MUTUAL if call.account else PLAIN,
        method=call.method,
        host=call.host,
        path=path,
        headers={name.lower(): value for name, value in call.headers},
    )
    return caller, request


def predicted(guard: ir.Access, call: Call, token: str) -> int:
    question = asked(call, token)
    if isinstance(question, int):
        return question
    return 200 if decisions.of_request(ir.Guard(access=guard), *question).is_allowed else 403


@pytest.mark.skipif(agent.envoy() is None, reason="there is no Envoy for this platform")
def test_the_model_says_of_each_request_what_envoy_does(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    policies = [
        [
            drawn.policy(n, action, chance)
            for n, action in enumerate(chance.choice((["ALLOW"], ["DENY"], ["DENY", "ALLOW", "ALLOW"])))
        ]
        for _ in range(GUARDS)
    ]
    guards = [authorization.access_of(of_case, {}, domains=("cluster.local",)) for of_case in policies]
    rule = {"issuer": tokens.ISSUER, "jwks": tokens.jwks()}
    believed = request_authentication.tokens(
        [{"metadata": {"name": "t", "namespace": "default"}, "spec": {"jwtRules": [rule]}}], {}, chooses_routes=False
    )
    assert believed is not None
    with (
        addresses.hold_block() as block,
        enforcing.enforcing(tmp_path, block, guards, believed, drawn.ACCOUNTS) as enforcer,
    ):
        drawn_calls = [drawn.call(case, chance, block.pod, TOKENS) for case in range(GUARDS) for _ in range(CALLS)]
        statuses = enforcer.statuses([call for call, _ in drawn_calls])
    differing = [
        (policies[call.case], call, token, f"Envoy {status}")
        for (call, token), status in zip(drawn_calls, statuses, strict=True)
        if status != predicted(guards[call.case], call, token)
    ]
    assert len(drawn_calls) >= 5000
    assert not differing[:3], f"seed {SEED}: {len(differing)} of {len(drawn_calls)} differ"
    assert set(statuses) >= {200, 401, 403}
