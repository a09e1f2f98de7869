"""Which loads are refused, and how."""

import pytest

from labkit import traffic

URL = "http://127.0.0.1:80"


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"url": "https://127.0.0.1"}, "not http://host:port"),
        ({"url": "ftp://x"}, "not http://host:port"),
        ({"url": "127.0.0.1:80"}, "not http://host:port"),
        ({"path": "productpage"}, "write /productpage"),
        ({"path": "/a b"}, "write %20"),
        ({"path": "/a\r\nX: y"}, "write %20"),
        ({"rate": 0}, "rate=0 is out of bounds"),
        ({"rate": 2001}, "at most 2000 requests per second"),
        ({"rate": float("nan")}, "rate=nan is out of bounds"),
        ({"count": 0}, "count=0 is out of bounds"),
        ({"count": 100_001}, "at most 100000 requests"),
        ({"duration": -1}, "duration=-1 is out of bounds"),
        ({"workers": 65}, "at most 64 connections"),
        ({"headers": {"a": "b\r\nc: d"}}, "one line"),
    ],
)
def test_a_load_out_of_bounds_names_the_value_and_the_bound(wrong, text):
    with pytest.raises(traffic.LoadError, match=text):
        traffic.Load(**{"url": URL, **wrong})


def test_collecting_a_load_without_an_end_is_refused():
    with pytest.raises(traffic.LoadError, match="no end"):
        traffic.collect(traffic.Load(url=URL))


def test_the_target_is_url_and_path():
    assert traffic.Load(url="http://127.0.0.1:30080/", path="/productpage").target == (
        "http://127.0.0.1:30080/productpage"
    )


def test_what_the_package_offers():
    assert traffic.__all__ == [
        "Load",
        "LoadError",
        "OnBatch",
        "Sent",
        "Stream",
        "Summary",
        "collect",
        "frame",
        "send",
        "stream",
        "summary",
    ]
