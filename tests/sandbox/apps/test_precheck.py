"""What our own look at curl's command line tells before the machine's curl runs."""

import pytest

from labkit.sandbox.apps import precheck


@pytest.mark.parametrize(
    ("words", "url"),
    [
        (["api:8000/get"], "api:8000/get"),
        (["-s", "-m", "8", "-o", "/dev/null", "-w", "%{http_code}", "http://api/"], "http://api/"),
        (["-sSo/dev/null", "-H", "Host: x", "api"], "api"),
        (["--max-time", "3", "--silent", "--url", "api"], "api"),
        (["-X", "POST", "-d", "a=1", "--header", "A: b", "api/post"], "api/post"),
        (["-vk", "https://api/"], "https://api/"),
        (["a", "b"], ""),
        (["-x", "http://p", "api"], ""),
        (["--retry", "3", "api"], ""),
        (["--connect-to", "::a:1", "api"], ""),
        ([], ""),
    ],
)
def test_the_url_is_found_among_options(words: list[str], url: str) -> None:
    assert precheck.only_url(words) == url


def test_outside_a_pod_curl_is_left_alone() -> None:
    assert precheck.failure(["http://nosuch.invalid/"], {}) is None
