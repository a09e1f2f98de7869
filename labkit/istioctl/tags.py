"""``istioctl tag``: names for revisions, each a webhook of its own."""

import argparse
import json
from typing import Any

from labkit.istioctl import tables
from labkit.istioctl.session import CommandError, Session
from labkit.kube import manifests, resources
from labkit.kube.resources import Object

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
    webhook = tagged(source, arguments.name, arguments.revision)
    if arguments.action == "generate":
        session.out.append(manifests.dump(webhook))
        return 0
    session.api.apply(resources.MUTATING_WEBHOOKS, webhook, manager="istioctl")
    session.print(
        f'Revision tag "{arguments.name}" created, referencing control plane revision "{arguments.revision}". To '
        "enable injection using this",
        f"revision tag, use 'kubectl label namespace <NAMESPACE> istio.io/rev={arguments.name}'",
    )
    return 0


def _is_revision(webhook: Object, revision: str) -> bool:
    labels = resources.labels_of(webhook)
    return labels.get(REVISION, "default") == revision and TAG not in labels


def tagged(source: Object, tag: str, revision: str) -> Object:
    """The webhook of a tag: that of its revision, for the label ``istio.io/rev=TAG``."""
    hook = next((h for h in source["webhooks"] if h["name"].startswith("rev.")), source["webhooks"][0])
    hooks = []
    for name, field, other in (
        ("namespace", "namespaceSelector", "objectSelector"),
        ("object", "objectSelector", "namespaceSelector"),
    ):
        tagged_pods: Any = [{"key": REVISION, "operator": "In", "values": [tag]}]
        absent: Any = [{"key": REVISION, "operator": "DoesNotExist"}]
        off = {"key": "sidecar.istio.io/inject", "operator": "NotIn", "values": ["false"]}
        legacy = {"key": "istio-injection", "operator": "DoesNotExist"}
        selectors = {field: [*tagged_pods], other: [*absent] if name == "object" else []}
        selectors["namespaceSelector"].append(legacy)
        selectors["objectSelector"].append(off)
        fields = {key: {"matchExpressions": value} for key, value in selectors.items()}
        hooks.append({**hook, **fields, "name": f"rev.{name}.sidecar-injector.istio.io"})
    labels = {"app": INJECTOR, TAG: tag, REVISION: revision, "istio.io/owned-by": "istioctl"}
    return {
        "apiVersion": resources.MUTATING_WEBHOOKS.api_version,
        "kind": resources.MUTATING_WEBHOOKS.kind,
        "metadata": {"name": f"istio-revision-tag-{tag}", "labels": labels},
        "webhooks": hooks,
    }


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
    session.print(f'Revision tag "{arguments.name}" removed')
    return 0
