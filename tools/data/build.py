"""Builds labkit/sandbox/apiserver/objects/data from tables of facts about the Kubernetes API.

    (cd tools/data/gotypes && go mod tidy && go run . > go-types.json)
    python tools/data/build.py DIR tools/data/gotypes/go-types.json

DIR holds ``kube-schema.json.gz`` (OpenAPI components of the built-in kinds, without descriptions) and
``kube-protobuf.json.gz`` (field numbers). The output has no timestamps: the same input gives the same bytes.
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[2] / "labkit/sandbox/apiserver/objects/data"

# Defaults inside the key of a list: ownership needs them before anything is defaulted.
KEY_DEFAULTS = {
    ("io.k8s.api.core.v1.ContainerPort", "protocol"): "TCP",
    ("io.k8s.api.core.v1.ServicePort", "protocol"): "TCP",
}


def facts(value: Any) -> Any:
    """The value without prose."""
    if isinstance(value, dict):
        return {k: facts(v) for k, v in value.items() if not (k == "description" and isinstance(v, str))}
    return [facts(v) for v in value] if isinstance(value, list) else value


def go_name(definition: str) -> str:
    """``io.k8s.api.core.v1.Pod`` → ``k8s.io/api/core/v1.Pod``."""
    package, _, name = definition.removeprefix("io.k8s.").rpartition(".")
    return f"k8s.io/{package.replace('.', '/')}.{name}"


def flat(go: dict[str, list[list[str]]], name: str) -> list[list[str]]:
    """Fields of a Go struct in order, those of inlined structs in their place."""
    found: list[list[str]] = []
    for json_name, of, flags in go[name]:
        inlined = "i" in flags
        found += flat(go, of) if inlined else [[json_name, of, flags]]
    return found


def write(name: str, value: Any) -> None:
    """One data file; key order is kept, because it is the order of fields."""
    text = json.dumps(value, separators=(",", ":")).encode()
    (TARGET / name).write_bytes(gzip.compress(text, 9, mtime=0))
    print(f"{name}: {len(value)} entries")


def read(path: Path) -> Any:
    """A gzipped JSON file."""
    return json.loads(gzip.decompress(path.read_bytes()))


def definitions(schema: dict[str, Any], go: dict[str, list[list[str]]]) -> dict[str, Any]:
    """The components with fields in Go's order and Go's facts in ``x-go``: ``{field: [type, flags]}``."""
    found = facts(schema)
    for name, definition in found.items():
        if "properties" not in definition or go_name(name) not in go:
            continue
        fields = flat(go, go_name(name))
        properties = definition["properties"]
        definition["properties"] = {f: properties[f] for f, _, _ in fields if f in properties}
        definition["x-go"] = {f: [of, flags] for f, of, flags in fields if f in properties}
        gone = set(properties) - set(definition["properties"])
        definition["required"] = [f for f in definition.get("required", ()) if f not in gone]
        if not definition["required"]:
            del definition["required"]
        if gone:
            print(f"  {name}: not in this version: {', '.join(sorted(gone))}")
    for (name, field), value in KEY_DEFAULTS.items():
        found[name]["properties"][field]["default"] = value
    return found


def messages(protobuf: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Message → field number → [JSON name, type, repeated, message, whether Go inlines it]."""
    found = {}
    for name, message in protobuf.items():
        definition = schema.get("io.k8s." + name.removeprefix("k8s.io.").replace("_", "-")) or {}
        properties = definition.get("properties")
        fields = {}
        for number, (name_there, of, repeated, below, *_) in message["f"].items():
            # The one place where a field's protobuf name is not its JSON name: ``Webhooks``.
            lowered = name_there[0].lower() + name_there[1:]
            key = lowered if properties and lowered in properties else name_there
            inlined = bool(below) and properties is not None and key not in properties
            fields[number] = [key, of, repeated, below.lstrip("."), int(inlined)]
        found[name] = fields
    return found


def main(source: Path, go_types: Path) -> None:
    """Build everything."""
    TARGET.mkdir(exist_ok=True)
    schema = read(source / "kube-schema.json.gz")
    write("definitions.json.gz", definitions(schema, json.loads(go_types.read_text())))
    write("protobuf.json.gz", messages(read(source / "kube-protobuf.json.gz"), schema))


if __name__ == "__main__":
    main(*(Path(arg) for arg in sys.argv[1:]))
