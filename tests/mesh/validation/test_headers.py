"""Values of headers follow Envoy's grammar: what stands between percent signs is a command with arguments."""

import pytest

from labkit.mesh.validation import headers

TITLE = "header value configuration: invalid header configuration. "


@pytest.mark.parametrize(
    "value",
    [
        "",
        "plain",
        "100%%",
        "%START_TIME%",
        "%START_TIME(%s.%3f)%",
        "%DOWNSTREAM_PEER_CERT_V_END(%b %d %H:%M:%S %Y %Z)%",
        "%REQ(x-user)%",
        "a %HOSTNAME% b %REQ(x)% c",
        '%DYNAMIC_METADATA(["a", "b"])%',
        '%DYNAMIC_METADATA( [ "a" , "b" ] ) %',
        r"%START_TIME(a\))%",
        "%nobody knows this%",
    ],
)
def test_what_envoy_reads_is_taken(value: str) -> None:
    assert headers.value(value) == ""


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("100%", "Un-escaped %"),
        ("%REQ(x-id", "Un-terminated variable expression '%REQ(x-id'"),
        ("%REQ(x-id)", "Un-terminated variable expression '%REQ(x-id)'"),
        ("%START_TIME%%", "Un-escaped %"),
        ("%START_TIME", "Un-terminated variable expression '%START_TIME'"),
        ("%REQ(x-id)x%", "Expecting '%' or whitespace after"),
        ('%DYNAMIC_METADATA(["a",b])%', "Expecting '\"'"),
        ('%DYNAMIC_METADATA(["a" "b"])%', "Expecting ',', ']', or whitespace"),
        ('%DYNAMIC_METADATA(["a"]x)%', "Expecting ')' or whitespace after '{}', but found '{}'"),
        ("%REQ(x\\", "Un-terminated backslash in JSON string"),
    ],
)
def test_what_envoy_cannot_read_is_refused_in_istios_words(value: str, problem: str) -> None:
    assert headers.value(value) == TITLE + problem


def test_control_characters_are_in_no_value() -> None:
    assert headers.value("a\nb") == "header value configuration a\nb is invalid"


@pytest.mark.parametrize(
    ("name", "is_claim"),
    [
        ("@request.auth.claims.group", True),
        ("@request.auth.claims[group][sub]", True),
        ("@request.auth.claims", False),
        ("@request.auth.claimsx", False),
        ("x-user", False),
    ],
)
def test_a_claim_has_a_name_in_brackets_or_after_a_dot(name: str, is_claim: bool) -> None:
    assert headers.is_claim(name) is is_claim
