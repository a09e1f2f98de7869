"""ext-authz: what the authorizer says, by HTTP and by gRPC."""

from labkit.sandbox.apps import authorizer, authorizer_grpc
from labkit.sandbox.apps.exchange import Request


def request(**headers: str) -> Request:
    return Request(
        method="GET",
        path="/check/a",
        query="",
        fields=[],
        headers={"host": "web", **{k.replace("_", "-"): v for k, v in headers.items()}},
        body=b"",
        peer="127.0.0.1",
    )


def field(number: int, data: bytes) -> bytes:
    return bytes((number << 3 | 2, len(data))) + data


def check_request(headers: dict[str, str]) -> bytes:
    """As Envoy sends it: attributes.request.http."""
    entries = b"".join(field(3, field(1, k.encode()) + field(2, v.encode())) for k, v in headers.items())
    return field(1, field(4, field(2, field(2, b"GET") + entries + field(4, b"/a") + field(5, b"web"))))


def test_a_request_that_says_so_is_allowed_and_the_app_hears_of_it() -> None:
    answer = authorizer.handle(request(x_ext_authz="allow"))
    assert (answer.status, dict(answer.fields)["x-ext-authz-check-result"]) == (200, "allowed")


def test_another_is_refused_with_what_it_lacks() -> None:
    answer = authorizer.handle(request(x_ext_authz="please"))
    assert answer.status == 403
    assert b"x-ext-authz: allow" in answer.body


def test_a_question_by_grpc_has_the_headers_and_the_request() -> None:
    headers, asked = authorizer_grpc.read(check_request({"x-ext-authz": "allow", ":path": "/a"}))
    assert headers == {"x-ext-authz": "allow", ":path": "/a"}
    assert asked == "GET web/a"


def test_an_answer_by_grpc_says_yes_or_no_by_its_code() -> None:
    yes, no = (authorizer.verdict({"x-ext-authz": word}, "") for word in ("allow", "no"))
    read = [dict(authorizer_grpc._fields(authorizer_grpc.written(answer))) for answer in (yes, no)]
    assert [dict(authorizer_grpc._fields(fields[1])) for fields in read] == [{}, {1: 7}]  # type: ignore[arg-type]
    assert 3 in read[0] and 2 in read[1]
