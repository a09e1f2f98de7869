"""``istioctl tag``: names for revisions, each a webhook of its own."""

import argparse
import json

from labkit.install import control_planes, kinds
from labkit.istioctl import tables
from labkit.istioctl.session import CommandError, Session
from labkit.kube import manifests, resources
from labkit.kube.resources import Object
from labkit.mesh import revisions

TAG, REVISION, INJECTOR = "istio.io/tag", "istio.io/rev", "sidecar-injector"


def options(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``tag``."""
    parser.add_argument("action", choices=("list", "show", "set", "generate", "remove", "delete"))
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("-r", "--revision", default="")
    parser.add_argument("-y", "--skip-confirmation", action="store_true")
    parser.add_argument("--overwrite", action="store_true")
    parser.add_argument("-o", "--output", default="table", choices=("table", "json"))
    parser.add_argument("--webhook-name", default="")
    parser.add_argument("--auto-inject-namespaces", action="store_true")


def run(session: Session, arguments: argparse.Namespace) -> int:
    """List, set or remove."""
    if arguments.action in ("list", "show"):
        return _list(session, arguments)
    if not arguments.name:
        raise CommandError("must provide a tag for modification")
    if arguments.action in ("set", "generate"):
        return _set(session, arguments)
    return _remove(session, arguments)


def _injectors(session: Session) -> list[Object]:
    return session.api.list(resources.MUTATING_WEBHOOKS, labels=f"app={INJECTOR}")


def _list(session: Session, arguments: argparse.Namespace) -> int:
    namespaces = session.api.list(resources.NAMESPACES)
    entries = []
    for webhook in _injectors(session):
        labels = resources.labels_of(webhook)
        if tag := labels.get(TAG):
            using = [resources.name_of(n) for n in namespaces if _uses(n, tag)]
            entries.append({"tag": tag, "revision": labels.get(REVISION, ""), "namespaces": using})
    if arguments.output == "json":
        session.print(json.dumps(entries, indent=2))
        return 0
    rows = [(e["tag"], e["revision"], ",".join(e["namespaces"])) for e in entries]
    session.print(*tables.lines(("TAG", "REVISION", "NAMESPACES"), rows, padding=1))
    return 0


def _uses(namespace: Object, tag: str) -> bool:
    labels = resources.labels_of(namespace)
    return labels.get(REVISION) == tag or (tag == "default" and labels.get("istio-injection") == "enabled")


def _set(session: Session, arguments: argparse.Namespace) -> int:
    if not arguments.revision:
        raise CommandError('required flag(s) "revision" not set')
    injectors = _injectors(session)
    source = next((w for w in injectors if _is_revision(w, arguments.revision)), None)
    if source is None:
        raise CommandError(
            f'cannot modify tag: cannot find MutatingWebhookConfiguration for revision "{arguments.revision}"\n'
            "Next: istioctl tag list"
        )
    old = next((w for w in injectors if resources.labels_of(w).get(TAG) == arguments.name), None)
    if old is not None and not arguments.overwrite and arguments.action == "set":
        raise CommandError(
            f'revision tag "{arguments.name}" already exists, and --overwrite is false\nNext: add --overwrite'
        )
    revision = revisions.of_name(arguments.revision)
    objects = control_planes.tagged(source, revision, arguments.name)
    if arguments.action == "generate":
        session.out.append(manifests.dump(*objects))
        return 0
    for obj in objects:
        session.api.apply(kinds.resource_of(session.api, obj), obj, manager="istioctl")
    if arguments.name == revisions.DEFAULT:
        _move_default(session, revision)
    session.print(
        f'Revision tag "{arguments.name}" created, referencing control plane revision "{arguments.revision}". To '
        "enable injection using this",
        f"revision tag, use 'kubectl label namespace <NAMESPACE> istio.io/rev={arguments.name}'",
    )
    return 0


def _move_default(session: Session, revision: revisions.Revision) -> None:
    """The tag ``default`` injects and validates from now on: the default revision's own webhook would do it twice."""
    injector = session.api.find(resources.MUTATING_WEBHOOKS, control_planes.INJECTOR)
    if injector is not None:
        session.api.replace(resources.MUTATING_WEBHOOKS, control_planes.switched_off(injector))
    validator = session.api.find(resources.VALIDATING_WEBHOOKS, control_planes.VALIDATOR)
    if validator is not None:
        session.api.replace(resources.VALIDATING_WEBHOOKS, control_planes.redirected(validator, revision))


def _is_revision(webhook: Object, revision: str) -> bool:
    labels = resources.labels_of(webhook)
    return labels.get(REVISION, "default") == revision and TAG not in labels


def _remove(session: Session, arguments: argparse.Namespace) -> int:
    webhook = next((w for w in _injectors(session) if resources.labels_of(w).get(TAG) == arguments.name), None)
    if webhook is None:
        raise CommandError(
            f'cannot remove tag "{arguments.name}": cannot find MutatingWebhookConfiguration\nNext: istioctl tag list'
        )
    using = [resources.name_of(n) for n in session.api.list(resources.NAMESPACES) if _uses(n, arguments.name)]
    if using and not arguments.skip_confirmation:
        raise CommandError(f'tag "{arguments.name}" is used by {", ".join(using)}\nNext: label them anew, or add -y')
    session.api.delete(resources.MUTATING_WEBHOOKS, resources.name_of(webhook))
    session.api.delete(resources.SERVICES, f"istiod-revision-tag-{arguments.name}", session.istio_namespace)
    session.print(f'Revision tag "{arguments.name}" removed')
    return 0
