"""Public keys of issuers: fetched once, kept, tried again."""

import asyncio
import json

from labkit.sandbox.istiod import keys

JWKS = json.dumps({"keys": [{"kty": "RSA"}]})
URI = "http://keys.example/jwks"


class Issuer:
    """Answers from a table, and counts."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers, self.asked = answers, list[str]()

    async def __call__(self, uri: str) -> str:
        self.asked.append(uri)
        if uri not in self.answers:
            raise ConnectionRefusedError("refused")
        return self.answers[uri]


def followed(issuer: Issuer, *wanted: set[str]) -> tuple[dict[str, str], int]:
    """(what is there, how often it changed) after following one set of sources after the other."""
    changes = list[int]()

    async def run() -> dict[str, str]:
        cache = keys.Keys(lambda: changes.append(1), issuer)
        for sources in wanted:
            await cache.follow(sources)
        last = dict(cache.fetched)
        await cache.follow(set())
        return last

    return asyncio.run(run()), len(changes)


def test_keys_are_there_once_the_first_push_may_go() -> None:
    assert followed(Issuer({URI: JWKS}), {URI}) == ({URI: JWKS}, 1)


def test_a_source_is_asked_once_however_often_it_is_named() -> None:
    issuer = Issuer({URI: JWKS})
    followed(issuer, {URI}, {URI}, {URI})
    assert issuer.asked == [URI]


def test_a_source_that_does_not_answer_holds_nobody_up_and_gives_no_keys() -> None:
    assert followed(Issuer({}), {URI}) == ({}, 0)


def test_what_is_no_set_of_keys_is_none() -> None:
    assert followed(Issuer({URI: '{"keys": 1}'}), {URI}) == ({}, 0)
    assert followed(Issuer({URI: "not JSON"}), {URI}) == ({}, 0)


def test_an_issuer_without_a_uri_is_asked_where_its_keys_are() -> None:
    policy = {"metadata": {"name": "a"}, "spec": {"jwtRules": [{"issuer": "https://id.example/"}]}}
    (source,) = keys.sources([policy])
    assert source == "https://id.example/.well-known/openid-configuration"
    issuer = Issuer({source: json.dumps({"jwks_uri": URI}), URI: JWKS})
    assert followed(issuer, {source})[0] == {source: JWKS}


def test_keys_that_stand_in_the_rule_are_fetched_nowhere() -> None:
    rules = [{"issuer": "a", "jwks": JWKS, "jwksUri": URI}, {"issuer": "b", "jwksUri": URI}]
    assert keys.sources([{"metadata": {"name": "a"}, "spec": {"jwtRules": rules}}]) == {URI}


def test_a_source_that_nobody_names_any_more_is_forgotten() -> None:
    assert followed(Issuer({URI: JWKS}), {URI}, set())[0] == {}
