"""Lengths of time as Kubernetes writes them and as Envoy reads them."""

import re

PART = re.compile(r"([0-9]*\.?[0-9]+)(ns|us|µs|ms|s|m|h)")
SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """``1m30s`` → 90.0; what is not a length of time is 0."""
    return sum(float(number) * SECONDS[unit] for number, unit in PART.findall(str(text)))


def proto(length: float) -> str:
    """Seconds as protobuf writes them, with no, three, six or nine digits: 0.1 → ``0.100s``."""
    nanoseconds = round(length * 1e9)
    digits = next(d for d in (0, 3, 6, 9) if nanoseconds % 10 ** (9 - d) == 0)
    return f"{nanoseconds / 1e9:.{digits}f}s"
