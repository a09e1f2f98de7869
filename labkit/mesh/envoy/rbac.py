"""Rules as trees of Envoy's RBAC: the same for requests and for connections."""

import ipaddress
from collections.abc import Iterable, Mapping

from labkit.mesh import ir
from labkit.mesh.envoy import TYPE, strings
from labkit.mesh.ir import access
from labkit.mesh.model import Resource

JWT = "envoy.filters.http.jwt_authn"
NAMES = {access.HOST: ":authority", access.METHOD: ":method"}
"""Pseudo headers of what has a name of its own."""

TRIAL = {access.ALLOW: "istio_dry_run_allow_", access.DENY: "istio_dry_run_deny_"}
"""How the notes of a dry run begin. Where there is none, Istio says the first of them all the same."""

ASKED = "istio_ext_authz_"


PEER_STATE = "io.istio.peer_principal"
"""The filter state in which a waypoint notes who called: the connection that it decides about has no certificate."""


def config(rules: ir.Rules, *, by_state: bool = False) -> Resource:
    """What a step's filter enforces, and what it only notes; ``by_state`` at a waypoint."""
    resource: Resource = {}
    if rules.enforced is not None:
        resource["rules"] = tree(rules.action, rules.enforced, by_state=by_state)
    if rules.trial is not None:
        resource["shadow_rules"] = tree(rules.action, rules.trial, by_state=by_state)
    prefix = TRIAL.get(rules.action if rules.trial is not None else access.ALLOW, "")
    return {**resource, "shadow_rules_stat_prefix": prefix} if prefix and not rules.is_refusal else resource


def asked(asking: ir.Asking, *, by_state: bool = False) -> Resource:
    """What notes for the authorizer's filter that a rule applies."""
    return {"shadow_rules": tree(access.DENY, asking.rules, by_state=by_state), "shadow_rules_stat_prefix": ASKED}


def tree(action: str, rules: Iterable[ir.Rule], *, by_state: bool = False) -> Resource:
    """An action and its policies; ALLOW is Envoy's default and goes without saying."""
    policies = {rule.name: _policy(rule, by_state=by_state) for rule in rules}
    resource: Resource = {"policies": policies} if policies else {}
    return resource if action == access.ALLOW else {"action": action, **resource}


def _policy(rule: ir.Rule, *, by_state: bool) -> Resource:
    if rule.is_never:
        return {"permissions": [{"not_rule": {"any": True}}], "principals": [{"not_id": {"any": True}}]}
    return {
        "permissions": [_all(tests, "rule", "rules", by_state=by_state) for tests in rule.operations],
        "principals": [_all(tests, "id", "ids", by_state=by_state) for tests in rule.callers],
    }


def _all(tests: access.Tests, one: str, many: str, *, by_state: bool) -> Resource:
    return {f"and_{many}": {many: [_test(test, one, many, by_state=by_state) for test in tests] or [{"any": True}]}}


def _test(test: ir.Test, one: str, many: str, *, by_state: bool) -> Resource:
    if test.asks == access.CLAIM:
        passes: Resource = {"metadata": claim(test.keys, test.texts)}
    else:
        options = [_option(test, number, by_state=by_state) for number in range(len(test.texts))]
        # Istio writes a single issuer/subject without the "one of".
        is_alone = len(options) == 1 and test.asks == access.SUBJECT
        passes = options[0] if is_alone else {f"or_{many}": {many: options}}
    return {f"not_{one}": passes} if test.is_negated else passes


def _option(test: ir.Test, number: int, *, by_state: bool) -> Resource:
    text = test.texts[number]
    match test.asks:
        case access.PRINCIPAL if by_state:
            return {"filter_state": {"key": PEER_STATE, "string_match": strings.matcher(text)}}
        case access.PRINCIPAL:
            return {"authenticated": {"principal_name": strings.matcher(text)}}
        case access.PEER_ADDRESS:
            return {"direct_remote_ip": _range(text.value)}
        case access.CLIENT_ADDRESS:
            return {"remote_ip": _range(text.value)}
        case access.OWN_ADDRESS:
            return {"destination_ip": _range(text.value)}
        case access.PORT:
            return {"destination_port": int(text.value)}
        case access.SERVER_NAME:
            return {"requested_server_name": strings.matcher(text)}
        case access.PATH:
            return _template(text.value) if text.kind == "template" else {"url_path": {"path": strings.matcher(text)}}
        case access.SUBJECT:
            issuer = _claim_text(("iss",), test.issuers[number])
            return {"and_ids": {"ids": [issuer, _claim_text(("sub",), text)]}}
        case access.METADATA:
            return {"metadata": _metadata(test.keys[0], test.keys[1:], _value(text, is_list=test.is_list))}
    name = NAMES.get(test.asks) or test.keys[0]
    return {"header": _header(name, text, ignores_case=test.asks == access.HOST)}


def _header(name: str, text: ir.Text, *, ignores_case: bool) -> Resource:
    if text.kind == "present":
        return {"name": name, "present_match": True}
    compared = strings.matcher(text)
    return {"name": name, "string_match": {**compared, "ignore_case": True} if ignores_case else compared}


def _template(path: str) -> Resource:
    kind = f"{TYPE}.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
    return {"uri_template": {"name": "uri-template", "typed_config": {"@type": kind, "path_template": path}}}


def _claim_text(path: tuple[str, ...], text: ir.Text) -> Resource:
    return {"metadata": _metadata(JWT, ("payload", *path), _value(text))}


def claim(path: tuple[str, ...], options: tuple[ir.Text, ...]) -> Resource:
    """A claim that is a text or a list of texts: one of them must fit one of the options."""
    each = [_value(text) for text in options]
    value = each[0] if len(each) == 1 else {"or_match": {"value_matchers": each}}
    matcher = {"or_match": {"value_matchers": [{"list_match": {"one_of": value}}, value]}}
    return _metadata(JWT, ("payload", *path), matcher)


def _value(text: ir.Text, *, is_list: bool = False) -> Resource:
    value: Resource = {"string_match": strings.matcher(text)}
    return {"list_match": {"one_of": value}} if is_list else value


def _metadata(name: str, path: tuple[str, ...], value: Mapping[str, object]) -> Resource:
    return {"filter": name, "path": [{"key": key} for key in path], "value": value}


def _range(text: str) -> Resource:
    """An address, or a range as written: bits beyond its length are Envoy's to ignore."""
    written = ipaddress.ip_interface(text)
    return {"address_prefix": str(written.ip), "prefix_len": written.network.prefixlen}
