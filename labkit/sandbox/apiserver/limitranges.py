"""The admission plug-in ``LimitRanger``: fills in what containers ask for, and refuses too much or too little."""

from collections.abc import Iterator, Mapping

from labkit.kube.resources import Object
from labkit.sandbox.apiserver import amounts, refusing
from labkit.sandbox.apiserver.amounts import Amounts
from labkit.sandbox.apiserver.calls import Call
from labkit.sandbox.apiserver.core import Core
from labkit.sandbox.apiserver.objects.quantities import Quantity

NOTE = "kubernetes.io/limit-ranger"
"""The annotation that says what was filled in."""

PODS, CLAIMS = "/pods", "/persistentvolumeclaims"


class LimitRanger:
    """Holds new pods and claims against the LimitRanges of their namespace."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def _ranges(self, namespace: str) -> list[Object]:
        return [item.object for item in self._core.store.table("/limitranges").items(namespace)] if namespace else []

    async def fill(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """Write the default requests and limits into the containers of a new pod."""
        if old is not None or call.subresource or call.served.key != PODS:
            return None
        for limit_range in self._ranges(call.namespace):
            new = filled(new, limit_range)
        return new

    async def check(self, call: Call, new: Object, old: Object | None) -> Object | None:
        """Refuse a pod or a claim that is not within the limits; ``new`` is empty when an object is deleted."""
        is_handled = call.served.key == CLAIMS or (call.served.key == PODS and old is None)
        if not new or call.subresource or not is_handled:
            return None
        for limit_range in self._ranges(call.namespace):
            texts = list(dict.fromkeys(problems(new, limit_range, of_claim=call.served.key == CLAIMS)))
            if texts:
                why = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
                raise refusing.forbidden("", call.served.plural, call.name, why)
        return None


def filled(pod: Object, limit_range: Object) -> Object:
    """A pod whose containers have the defaults of a LimitRange where they ask for nothing."""
    limits: dict[str, str] = {}
    requests: dict[str, str] = {}
    for limit in limit_range["spec"].get("limits") or []:
        if limit["type"] == "Container":
            requests |= limit.get("defaultRequest") or {}
            limits |= limit.get("default") or {}
    notes: list[str] = []
    spec = dict(pod["spec"])
    for kind, word in (("containers", "container"), ("initContainers", "init container")):
        if spec.get(kind):
            spec[kind] = [_with_defaults(c, requests, limits, word, notes) for c in spec[kind]]
    if not notes:
        return pod
    metadata = pod["metadata"]
    annotations = {**(metadata.get("annotations") or {}), NOTE: f"LimitRanger plugin set: {'; '.join(notes)}"}
    return {**pod, "metadata": {**metadata, "annotations": annotations}, "spec": spec}


def _with_defaults(
    container: Object, requests: Mapping[str, str], limits: Mapping[str, str], word: str, notes: list[str]
) -> Object:
    asked = dict(container.get("resources") or {})
    for name, defaults, title in (("requests", requests, "request"), ("limits", limits, "limit")):
        given = asked.get(name) or {}
        added = {key: value for key, value in defaults.items() if key not in given}
        if added:
            asked[name] = {**given, **added}
            notes.append(f"{', '.join(sorted(added))} {title} for {word} {container['name']}")
    return {**container, "resources": asked}


def problems(obj: Object, limit_range: Object, *, of_claim: bool) -> Iterator[str]:
    """What a LimitRange has against a pod or a claim."""
    for limit in limit_range["spec"].get("limits") or []:
        kind, spec = limit["type"], obj["spec"]
        if of_claim and kind == "PersistentVolumeClaim":
            asked = amounts.read((spec.get("resources") or {}).get("requests"))
            yield from _least(kind, limit, asked, {})
            yield from _most_requested(kind, limit, asked)
        elif not of_claim and kind == "Container":
            for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
                given = container.get("resources") or {}
                yield from _all(kind, limit, amounts.read(given.get("requests")), amounts.read(given.get("limits")))
        elif not of_claim and kind == "Pod":
            yield from _all(kind, limit, amounts.of_pod(spec), amounts.of_pod(spec, "limits"))


def _all(kind: str, limit: Object, requests: Amounts, limits: Amounts) -> Iterator[str]:
    yield from _least(kind, limit, requests, limits)
    yield from _most(kind, limit, requests, limits)
    yield from _ratio(kind, limit, requests, limits)


def _least(kind: str, limit: Object, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, least in amounts.read(limit.get("min")).items():
        text = f"minimum {name} usage per {kind} is {least}"
        if name not in requests:
            yield f"{text}.  No request is specified"
        elif requests[name].value < least.value:
            yield f"{text}, but request is {requests[name]}"
        elif name in limits and limits[name].value < least.value:
            yield f"{text}, but limit is {limits[name]}"


def _most(kind: str, limit: Object, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, most in amounts.read(limit.get("max")).items():
        text = f"maximum {name} usage per {kind} is {most}"
        if name not in limits:
            yield f"{text}.  No limit is specified"
        elif limits[name].value > most.value:
            yield f"{text}, but limit is {limits[name]}"
        elif name in requests and requests[name].value > most.value:
            yield f"{text}, but request is {requests[name]}"


def _most_requested(kind: str, limit: Object, requests: Amounts) -> Iterator[str]:
    for name, most in amounts.read(limit.get("max")).items():
        text = f"maximum {name} usage per {kind} is {most}"
        if name not in requests:
            yield f"{text}.  No request is specified"
        elif requests[name].value > most.value:
            yield f"{text}, but request is {requests[name]}"


def _ratio(kind: str, limit: Object, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, most in amounts.read(limit.get("maxLimitRequestRatio")).items():
        text = f"{name} max limit to request ratio per {kind} is {most}"
        if not _given(requests, name):
            yield f"{text}, but no request is specified or request is 0"
        elif not _given(limits, name):
            yield f"{text}, but no limit is specified or limit is 0"
        elif (ratio := limits[name].value / requests[name].value) > most.value:
            yield f"{text}, but provided ratio is {float(ratio):f}"


def _given(asked: Amounts, name: str) -> Quantity | None:
    return asked[name] if name in asked and asked[name].value else None
