"""What a real istiod sends to four proxies of Bookinfo, without the extensions that only Istio's own Envoy has."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

from labkit.mesh.model import Config

_FILE = Path(__file__).parent / "data" / "istio.json.gz"
_SYMBOL = re.compile(r"(POD|ClusterIP|NODE)\(([^)]*)\)")
_ALL: dict[str, Any] = json.loads(gzip.decompress(_FILE.read_bytes()))


def config(proxy: str, *, base: int = 66) -> Config:
    """One proxy's, with addresses of the block ``127.BASE`` for pods and of 10.96 for Services."""
    kinds = json.loads(_numbered(json.dumps(_ALL[proxy]), base))
    return Config(**{kind: kinds[kind] for kind in ("clusters", "endpoints", "listeners", "routes")})


def _numbered(text: str, base: int) -> str:
    numbers: dict[tuple[str, str], int] = {}

    def number(match: re.Match[str]) -> str:
        at = numbers.setdefault((match[1], match[2]), len(numbers) + 10)
        return f"127.{base}.0.{at}" if match[1] != "ClusterIP" else f"10.96.0.{at}"

    return _SYMBOL.sub(number, text)
