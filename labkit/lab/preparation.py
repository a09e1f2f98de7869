"""Bringing a cluster to the state in which a lesson begins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labkit.base import settings
from labkit.clusters import capabilities
from labkit.clusters.cluster import Cluster
from labkit.install import addons, ambient, bookinfo, dataplane, gateway, gateway_api, istio, kinds, ownership
from labkit.kube import client, manifests, marks, resources
from labkit.kube.resources import Object
from labkit.lab import cleanup, endings
from labkit.lab.chapters import Chapter
from labkit.mesh.ambient import waypoints

OnStep = Callable[[str], None]

MANIFESTS = settings.CHECKOUT / "notebooks" / "manifests"


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What was applied and removed to get there."""

    notes: tuple[str, ...]
    """What a learner should know of it, a line each."""

    applied: tuple[Object, ...]
    removed: tuple[Object, ...]
    """As they last were."""


def prepare(api: client.Client, cluster: Cluster, chapter: Chapter, *, namespace: str, on_step: OnStep) -> Preparation:
    """Bring the cluster to where the chapter begins; safe to repeat."""
    keys = {cleanup.key_of(obj, namespace) for obj in _objects(chapter)}
    removed, notes = _clear(api, cluster, keys, [namespace, istio.NAMESPACE], on_step=on_step)
    _remove_own_namespaces(api, cluster, on_step=on_step)
    _leave_waypoints(api, cluster, namespace)
    if chapter.bookinfo is False and api.find(resources.SERVICES, "productpage", namespace):
        on_step("take Bookinfo away")
        bookinfo.remove(api, namespace)
    if chapter.istio is False and cluster.can(capabilities.BUNDLED_ISTIO) and istio.is_ours(api):
        on_step("take Istio away")
        istio.remove(api)
    if chapter.istio and cluster.can(capabilities.BUNDLED_ISTIO) and istio.is_ours(api):
        istio.remove_others(api, on_step=on_step)
    if chapter.istio:
        on_step("Istio")
        (ambient if chapter.ambient else istio).install(api)
    for name in chapter.addons:
        on_step(name.capitalize())
        addons.install(api, name)
    if chapter.gateway_api and not gateway_api.is_served(api):
        if cluster.can(capabilities.OWNED):
            on_step("definitions of the Gateway API")
            gateway_api.install(api)
        else:
            notes.append(gateway_api.advice())
    if chapter.bookinfo:
        on_step("Bookinfo")
        bookinfo.deploy(api, namespace, mode=dataplane.AMBIENT if chapter.ambient else dataplane.SIDECARS)
    if chapter.istio and not chapter.ambient and cluster.can(capabilities.BUNDLED_ISTIO) and ambient.is_ours(api):
        on_step("take ztunnel away")
        ambient.remove(api)
    if chapter.manifests:
        on_step("rules of this lesson")
        if names := ownership.apply(api, _files(chapter), namespace=namespace):
            notes.append(f"{ownership.left_alone(names)}; it may change what you see")
        _until_they_run(api, _files(chapter), namespace)
    if chapter.gateway:
        on_step("gateway")
        gateway.expose(api, namespace)
    applied = [*_files(chapter), *(gateway.objects() if chapter.gateway else [])]
    return Preparation(notes=tuple(notes), applied=tuple(applied), removed=tuple(removed))


def _until_they_run(api: client.Client, objects: list[Object], namespace: str) -> None:
    for obj in objects:
        if obj["kind"] == "Deployment":
            place = resources.namespace_of(obj) or namespace
            kinds.until_rolled_out(api, [resources.name_of(obj)], place, timeout=bookinfo.TIMEOUT)


def _files(chapter: Chapter) -> list[Object]:
    return [obj for name in chapter.manifests for obj in manifests.read(MANIFESTS / name)]


def applied(chapter: Chapter) -> list[Object]:
    """What ``prepare`` applies in the course's namespace."""
    application = bookinfo.objects() if chapter.bookinfo else []
    return [*_files(chapter), *application, *(gateway.objects() if chapter.gateway else [])]


def _objects(chapter: Chapter) -> list[Object]:
    """Objects of the chapter's manifests; what an undecided chapter may have is kept."""
    listed = _files(chapter)
    if chapter.bookinfo is not False:
        listed += bookinfo.objects()
    if chapter.gateway:
        listed += gateway.objects()
    return listed


def _remove_own_namespaces(api: client.Client, cluster: Cluster, *, on_step: OnStep) -> None:
    """Wait until they are gone: a lesson that begins by making one is refused while the old one ends."""
    is_owned = cluster.can(capabilities.OWNED)
    namespaces = [capabilities.readable(api, resources.NAMESPACES, name) for name in cleanup.OWN_NAMESPACES]
    going = [resources.name_of(o) for o in namespaces if o is not None and (is_owned or marks.is_ours(o))]
    if going:
        on_step(f"clear namespace {', '.join(going)}")
    for name in going:
        api.delete(resources.NAMESPACES, name)
    for name in going:
        endings.until_gone(api, name)


def _leave_waypoints(api: client.Client, cluster: Cluster, namespace: str) -> None:
    """Take the label away by which Services use a waypoint; a lesson sets it with kubectl, so no manifest undoes it."""
    for service in api.list(resources.SERVICES, namespace):
        may_change = cluster.can(capabilities.OWNED) or marks.is_ours(service)
        if may_change and waypoints.USE_WAYPOINT in resources.labels_of(service):
            body = {"metadata": {"labels": {waypoints.USE_WAYPOINT: None}}}
            api.patch(resources.SERVICES, resources.name_of(service), namespace, body)


LINE = 60
"""Characters of names in one line of progress: a longer line breaks where a notebook ends."""


def listed(names: Sequence[str]) -> str:
    """As many names as fit in a line, at least one, and how many more there are: ``a, b and 3 more``."""
    shown = [name for number, name in enumerate(names) if not number or len(", ".join(names[: number + 1])) <= LINE]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _clear(
    api: client.Client, cluster: Cluster, keys: set[cleanup.Key], namespaces: list[str], *, on_step: OnStep
) -> tuple[list[Object], list[str]]:
    leftovers = cleanup.leftovers(api, namespaces, kept=keys)
    leftovers = [f for f in leftovers if f.resource in cleanup.RULES or _is_course_object(f)]
    going = [f for f in leftovers if cleanup.goes(f, is_owned=cluster.can(capabilities.OWNED))]
    staying = [f for f in leftovers if f not in going and f.resource in cleanup.RULES]
    foreign = [f.obj for f in going if not marks.is_ours(f.obj)]
    notes = []
    if going:
        on_step(f"clear {listed([f.name for f in going])}")
    if foreign:
        copy = cleanup.keep_copy(foreign, settings.Paths().home / "set-aside")
        names = ", ".join(f.name for f in going if not marks.is_ours(f.obj))
        notes.append(f"set aside {names}: kubectl apply -f {copy} brings it back")
    for f in going:
        api.delete(f.resource, resources.name_of(f.obj), resources.namespace_of(f.obj))
    if staying:
        names = ", ".join(f.name for f in staying)
        notes.append(f"left alone, since the kit did not make it: {names}; it may change what you see")
    return [f.obj for f in going], notes


def _is_course_object(leftover: cleanup.Leftover) -> bool:
    """Istio's own workloads carry the kit's label too; they belong to no lesson."""
    return marks.is_ours(leftover.obj) and resources.namespace_of(leftover.obj) != istio.NAMESPACE
