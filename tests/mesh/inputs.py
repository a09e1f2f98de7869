"""Objects of any kind as the API server and istiod's webhook take them: every field that a definition has."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st

from labkit.install import types
from labkit.kube import status
from labkit.mesh import validation
from labkit.sandbox.apiserver.objects import decoding, defaults, schemas
from labkit.sandbox.apiserver.objects import validation as server
from tests.mesh import vocabulary
from tests.mesh.vocabulary import Object, Strategy

FIELDS = 4
"""Most optional fields of one object: few, so that those that exclude each other seldom meet."""


@cache
def definitions() -> Mapping[tuple[str, str], schemas.Schema]:
    """Every served custom kind."""
    result = [schemas.from_crd(crd, v["name"]) for crd in types.crds() for v in crd["spec"]["versions"]]
    return {(s.api_version, s.kind): s for s in result}


def stored(obj: Object) -> Object | None:
    """The object as the API server keeps it; None where it or istiod's webhook refuses it."""
    schema = definitions()[obj["apiVersion"], obj["kind"]]
    try:
        kept = defaults.with_defaults(schema, decoding.decode(schema, obj, level="Strict").object, None)
    except status.StatusError:
        return None
    return kept if not server.validate(schema, kept) and validation.validate(kept).is_allowed else None


def objects(api_version: str, kind: str) -> Strategy:
    """Valid ones of a kind."""
    schema = definitions()[api_version, kind]
    assert schema.custom is not None
    spec = values(schema.custom["schema"]["openAPIV3Schema"]["properties"]["spec"], kind)
    return _objects(api_version, kind, spec).filter(lambda obj: obj is not None)


@st.composite
def _objects(draw: st.DrawFn, api_version: str, kind: str, spec: Strategy) -> Object | None:
    metadata = {"name": draw(vocabulary.NAME), "namespace": draw(vocabulary.NAMESPACE)}
    return stored({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": draw(spec)})


def values(schema: Mapping[str, Any], path: str) -> Strategy:
    """Whatever a schema describes; ``VirtualService.http.match`` is the path of a match, the lists left out."""
    words: Strategy | None = at(vocabulary.WORDS, path)
    if words is not None:
        return words
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "object":
            return _object(schema, path)
        case "array":
            least = max(schema.get("minItems", 0), path.rpartition(".")[2] in vocabulary.NEVER_EMPTY)
            return st.lists(values(schema["items"], path), min_size=least, max_size=min(schema.get("maxItems", 2), 2))
        case "integer":
            return _integers(schema)
        case "number":
            return st.floats(schema.get("minimum", -1), schema.get("maximum", 200))
        case "boolean":
            return st.booleans()
    return _texts(schema)


def at(table: Mapping[str, Any], path: str) -> Any:
    """What a table says of the longest end of a path."""
    steps = path.split(".")
    ends = (".".join(steps[start:]) for start in range(len(steps) + 1))
    return next((table[end] for end in ends if end in table), None)


def _integers(schema: Mapping[str, Any]) -> Strategy:
    least = schema.get("minimum", -1)
    most = schema.get("maximum", 2**31 - 1 if schema.get("format") == "int32" else 2**63 - 1)
    return st.integers(least, min(most, least + 1000)) | st.integers(least, most)


def _texts(schema: Mapping[str, Any]) -> Strategy:
    if any("duration(" in rule["rule"] for rule in schema.get("x-kubernetes-validations", ())):
        return vocabulary.DURATION
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    return vocabulary.WORD if schema.get("minLength") else vocabulary.TEXT


def _object(schema: Mapping[str, Any], path: str) -> Strategy:
    if "properties" not in schema:
        inner = schema.get("additionalProperties")
        keys = at(vocabulary.MAPS, path)
        return st.dictionaries(keys, values(inner, f"{path}.*"), max_size=2) if inner else st.just({})
    fields = {name: values(inner, f"{path}.{name}") for name, inner in schema["properties"].items()}
    always = tuple(schema.get("required", ()))
    needed = [(*always, *more) for more in at(vocabulary.NEEDED, path) if fields.keys() >= set(more)] or [always]
    created = _fields(fields, needed, list(_alternatives(schema)), at(vocabulary.APART, path))
    return created.map(at(vocabulary.MENDED, path))


@st.composite
def _fields(
    draw: st.DrawFn,
    fields: Mapping[str, Strategy],
    needed: Sequence[Sequence[str]],
    alternatives: Sequence[Sequence[str]],
    apart: Sequence[Sequence[str]],
) -> Object:
    chosen = [*draw(st.sampled_from(needed)), *(draw(st.sampled_from(["", *group])) for group in alternatives)]
    chosen += draw(st.lists(st.sampled_from(list(fields)), max_size=FIELDS))
    for group in (*alternatives, *apart):
        first = next((name for name in chosen if name in group), "")
        chosen = [name for name in chosen if name == first or name not in group]
    return {name: draw(fields[name]) for name in dict.fromkeys(chosen) if name}


def _alternatives(schema: Mapping[str, Any]) -> Iterator[list[str]]:
    """Fields of which the definition allows one."""
    for part in (schema, *schema.get("allOf", ())):
        if "oneOf" in part:
            yield [name for other in part["oneOf"] for name in other.get("required", ())]
