"""The PROXY protocol's second version."""

import io

import pytest

from labkit.sandbox.network import proxyheader


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        (("127.66.0.2", 40000), ("10.96.0.7", 9080)),
        (("2001:db8::1", 1), ("2001:db8::2", 65535)),
        (("127.66.0.2", 40000), ("2001:db8::2", 80)),
    ],
    ids=["v4", "v6", "mixed"],
)
def test_what_is_written_is_read(source: tuple[str, int], destination: tuple[str, int]) -> None:
    data = proxyheader.of(source, destination)
    assert proxyheader.size_of(data[:16]) == len(data)
    assert proxyheader.parse(data) == (source, destination)
    assert proxyheader.read(io.BytesIO(data + b"rest").read) == (source, destination)


def test_the_bytes_are_those_of_the_specification() -> None:
    data = proxyheader.of(("127.66.0.2", 1), ("10.96.0.7", 9080))
    assert data == b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes([127, 66, 0, 2, 10, 96, 0, 7, 0, 1]) + b"\x23\x78"


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n", b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c", b""])
def test_other_bytes_are_no_header(data: bytes) -> None:
    with pytest.raises(proxyheader.HeaderError):
        proxyheader.read(io.BytesIO(data).read)
