"""Builds labkit/sandbox/apiserver/objects/data from tables of facts about the Kubernetes API.

    python tools/data/build.py DIR

DIR holds ``kube-schema.json.gz`` (OpenAPI components of the built-in kinds, without descriptions) and
``kube-protobuf.json.gz`` (field numbers). The output has no timestamps: the same input gives the same bytes.
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[2] / "labkit/sandbox/apiserver/objects/data"


def facts(value: Any) -> Any:
    """The value without prose."""
    if isinstance(value, dict):
        return {k: facts(v) for k, v in value.items() if not (k == "description" and isinstance(v, str))}
    return [facts(v) for v in value] if isinstance(value, list) else value


def write(name: str, value: Any) -> None:
    """One data file."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
    (TARGET / name).write_bytes(gzip.compress(text, 9, mtime=0))
    print(f"{name}: {len(value)} entries")


def read(path: Path) -> Any:
    """A gzipped JSON file."""
    return json.loads(gzip.decompress(path.read_bytes()))


def main(source: Path) -> None:
    """Build everything."""
    TARGET.mkdir(exist_ok=True)
    write("definitions.json.gz", facts(read(source / "kube-schema.json.gz")))
    write("protobuf.json.gz", read(source / "kube-protobuf.json.gz"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
