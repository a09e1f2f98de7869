"""EnvoyFilters, read once, and the patches that apply to one proxy in the order in which they do."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.mesh import blame, messages
from labkit.mesh.memo import Memo
from labkit.mesh.model import Proxy, Resource
from labkit.mesh.patches import unsupported
from labkit.mesh.policies import selection
from labkit.mesh.validation import envoyfilter

RESOURCE = "envoyfilters.networking.istio.io"

INBOUND, OUTBOUND, GATEWAY, ANY = "SIDECAR_INBOUND", "SIDECAR_OUTBOUND", "GATEWAY", "ANY"
MERGE, REPLACING = "MERGE", "MERGE_AND_REPLACE_LIST"
INSERTS = ("INSERT_BEFORE", "INSERT_AFTER", "INSERT_FIRST")
ORDERED = ("LISTENER_FILTER", "NETWORK_FILTER", "HTTP_FILTER", "HTTP_ROUTE")
"""What stands in a list whose order matters; an insert into anything else adds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Patch:
    """One entry of ``configPatches``."""

    apply_to: str
    operation: str
    context: str
    value: Resource
    """In Envoy's JSON, with proto names, and without fields that say what they say by default."""

    match: Mapping[str, Any] = field(default_factory=dict)
    """``listener``, ``routeConfiguration`` or ``cluster``, as the object has them."""

    version: re.Pattern[str] | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_merge(self) -> bool:
        """Whether its value is merged into what it means."""
        return self.operation in (MERGE, REPLACING)

    @property
    def replaces_lists(self) -> bool:
        """Whether a list in its value replaces the one that is there, and is not added to it."""
        return self.operation == REPLACING

    def is_for(self, context: str) -> bool:
        """Whether it speaks of this side of a proxy."""
        return self.context in (ANY, context)

    def adds_to(self, context: str) -> bool:
        """Whether it adds a whole listener or cluster on this side: one without a context adds a single time."""
        return self.operation == "ADD" and self.is_for(context) and not (self.context == ANY and context == INBOUND)

    def fits(self, proxy: Proxy) -> bool:
        """Whether the proxy has the version and the metadata that are asked for."""
        if self.version is not None and not self.version.search(proxy.version):
            return False
        return all(proxy.metadata.get(key) == value for key, value in self.metadata.items())


@dataclass(frozen=True, kw_only=True, eq=False)
class EnvoyFilter:
    """One object."""

    uid: str
    namespace: str
    priority: int
    age: tuple[str, str]
    """When it was created, and ``name.namespace``."""

    selector: Mapping[str, str] | None
    gateways: frozenset[str] | None
    """The Gateways that ``targetRefs`` name; None where there are none."""

    patches: tuple[Patch, ...]

    def selects(self, proxy: Proxy) -> bool:
        """Whether it speaks of the proxy's workload."""
        if self.gateways is not None:
            return self.namespace == proxy.namespace and proxy.labels.get(selection.GATEWAY_NAME) in self.gateways
        if proxy.role == "waypoint":
            return False  # A waypoint takes only what names it.
        return self.selector is None or self.selector.items() <= dict(proxy.labels).items()


class Patches:
    """The patches of one kind of proxy."""

    def __init__(self, patches: Sequence[Patch]) -> None:
        self._patches = patches

    def of(self, apply_to: str, context: str) -> tuple[Patch, ...]:
        """Those for one kind of thing on one side of a proxy, in the order in which they apply."""
        return tuple(p for p in self._patches if p.apply_to == apply_to and p.is_for(context))

    def adding(self, apply_to: str, context: str) -> Iterator[Resource]:
        """The listeners or clusters that come in."""
        return (p.value for p in self._patches if p.apply_to == apply_to and p.adds_to(context))

    @property
    def extensions(self) -> Mapping[str, Resource]:
        """Filters that listeners ask for by name, on whatever side."""
        values = (p.value for p in self._patches if p.apply_to == "EXTENSION_CONFIG" and p.operation == "ADD")
        return {str(value.get("name", "")): value for value in values}

    def touch(self, context: str, *apply_to: str) -> bool:
        """Whether anything is done to such things on one side of a proxy."""
        return any(p.apply_to in apply_to and p.is_for(context) for p in self._patches)


def applying(filters: Iterable[EnvoyFilter], proxy: Proxy, *, root: str) -> list[EnvoyFilter]:
    """The EnvoyFilters for a proxy, in the order in which they apply."""
    every = [f for f in filters if f.namespace in (root, proxy.namespace) and f.selects(proxy)]
    return sorted(every, key=lambda f: (f.priority, f.namespace != root, f.age))


def chosen(filters: Iterable[EnvoyFilter], proxy: Proxy, *, root: str, memo: Memo) -> Patches | None:
    """The patches for a proxy, None for none; proxies with the same ones are given the same object."""
    patches = tuple(p for f in applying(filters, proxy, root=root) for p in f.patches if p.fits(proxy))
    return memo.get(("patches", tuple(map(id, patches))), patches, lambda: Patches(patches)) if patches else None


def read(obj: Object) -> EnvoyFilter:
    """One object, read; a patch that cannot be carried out is left out, and ``unsupported`` says so."""
    name, namespace = resources.name_of(obj), resources.namespace_of(obj)
    with blame.naming(f"EnvoyFilter {namespace}/{name}"):
        spec = obj.get("spec") or {}
        targets = spec.get("targetRefs") or ()
        return EnvoyFilter(
            uid=resources.uid_of(obj),
            namespace=namespace,
            priority=int(spec.get("priority") or 0),
            age=(obj["metadata"].get("creationTimestamp") or "", f"{name}.{namespace}"),
            selector=(spec.get("workloadSelector") or {}).get("labels"),
            gateways=frozenset(str(t.get("name")) for t in targets if t.get("kind") == "Gateway") if targets else None,
            patches=tuple(_patches(spec.get("configPatches") or ())),
        )


def _patches(entries: Iterable[Mapping[str, Any]]) -> Iterator[Patch]:
    for entry in entries:
        apply_to, match, patch = entry.get("applyTo", ""), entry.get("match") or {}, entry.get("patch") or {}
        if not patch or apply_to not in envoyfilter.MESSAGES or any(unsupported.of_value(patch.get("value"))):
            continue
        operation = str(patch.get("operation", ""))
        proxy = match.get("proxy") or {}
        version = proxy.get("proxyVersion") or ""
        try:
            value = canonical(envoyfilter.MESSAGES[apply_to], patch.get("value") or {})
        except json_format.ParseError:
            # The webhook refuses it with a reason; without the webhook istiod logs it and leaves it out.
            continue
        yield Patch(
            apply_to=apply_to,
            operation="ADD" if operation in INSERTS and apply_to not in ORDERED else operation,
            context=str(match.get("context") or ANY),
            value=value,
            match={key: match[key] for key in ("listener", "routeConfiguration", "cluster") if match.get(key)},
            version=re.compile(version) if version else None,
            metadata={str(k): str(v) for k, v in (proxy.get("metadata") or {}).items()},
        )


def canonical(message: str, value: Mapping[str, Any]) -> Resource:
    """JSON for a message under proto names; fields that it does not have are dropped, as Istio drops them."""
    for url in envoyfilter.types_of(value):
        messages.descriptor(url.rpartition("/")[2])
    parsed = json_format.ParseDict(
        value, messages.message_class(message)(), ignore_unknown_fields=True, descriptor_pool=messages.pool()
    )
    document: Resource = json_format.MessageToDict(
        parsed, preserving_proto_field_name=True, descriptor_pool=messages.pool()
    )
    return document
