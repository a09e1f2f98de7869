"""The machine's own Prometheus, filled with given samples by remote write and asked over HTTP."""

import contextlib
import json
import shutil
import struct
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from labkit.base import ports, waiting
from labkit.sandbox.apps.prometheus.promql.samples import Series

PROGRAM = shutil.which("prometheus")


@contextlib.contextmanager
def prometheus(folder: Path, series: Sequence[Series]) -> Iterator[str]:
    """Its URL while it runs."""
    assert PROGRAM
    config = folder / "prometheus.yml"
    config.write_text("global: {evaluation_interval: 1m}\n")
    port = ports.free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        PROGRAM, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver", "--log.level=error",
        "--storage.tsdb.retention.time=100y",
    ]  # fmt: skip
    running = subprocess.Popen(command)
    try:
        waiting.until(lambda: _is_ready(url), what="Prometheus", timeout=60, next_step="look at its output")
        _write(url, series)
        yield url
    finally:
        running.terminate()
        running.wait()


def ask(url: str, query: Mapping[str, str]) -> Any:
    """The answer's JSON, whatever its status."""
    path = "query_range" if "step" in query else "query"
    data = urllib.parse.urlencode(query).encode()
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{path}", data=data, timeout=60) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as e:
        return json.load(e)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def _write(url: str, series: Sequence[Series]) -> None:
    """Samples in the order of their times, in a few requests: an older one than the newest is refused later on."""
    body = b"".join(_field(1, _message(one)) for one in series)
    headers = {
        "Content-Type": "application/x-protobuf",
        "Content-Encoding": "snappy",
        "X-Prometheus-Remote-Write-Version": "0.1.0",
    }
    request = urllib.request.Request(f"{url}/api/v1/write", data=_snappy(body), headers=headers)
    with urllib.request.urlopen(request, timeout=60) as reply:
        assert reply.status in (200, 204)


def _message(series: Series) -> bytes:
    """prometheus.TimeSeries of remote write."""
    named = b"".join(_field(1, _field(1, n.encode()) + _field(2, v.encode())) for n, v in series.labels)
    pairs = zip(series.times, series.values, strict=True)
    return named + b"".join(_field(2, b"\x09" + struct.pack("<d", v) + b"\x10" + _varint(t)) for t, v in pairs)


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _snappy(data: bytes) -> bytes:
    """Snappy's block format with literals alone: nothing is compressed."""
    chunks = [data[at : at + 65536] for at in range(0, len(data), 65536)]
    return _varint(len(data)) + b"".join(b"\xf4" + (len(c) - 1).to_bytes(2, "little") + c for c in chunks)
