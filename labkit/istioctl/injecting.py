"""``istioctl kube-inject``: manifests with the proxy written into every pod."""

import argparse

from labkit.istioctl.session import CommandError, Session
from labkit.kube import manifests, resources
from labkit.kube.resources import Object
from labkit.mesh import injection

TEMPLATED = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController")


def options(parser: argparse.ArgumentParser) -> None:
    """The flags of ``kube-inject``."""
    parser.add_argument("-f", "--filename", required=True)
    parser.add_argument("-o", "--output", default="")
    for name in ("injectConfigFile", "injectConfigMapName", "meshConfigFile", "meshConfigMapName", "valuesFile"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--revision", default="")
    parser.add_argument("--operatorFileName", default="")


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Print the manifests as the default profile of Istio 1.31 injects them."""
    for name in ("injectConfigFile", "meshConfigFile", "valuesFile"):
        if getattr(arguments, name):
            raise CommandError(f"--{name} is not carried out: this istioctl has the templates of the default profile")
    objects = manifests.parse(session.read(arguments.filename), source=arguments.filename)
    text = manifests.dump(*(injected(obj, session.namespace) for obj in objects))
    if arguments.output:
        from pathlib import Path

        Path(arguments.output).write_text(text)
    else:
        session.out.append(text)
    return 0


def injected(obj: Object, namespace: str) -> Object:
    """An object with proxies in its pods; one without pods stays as it is."""
    space: Object = {
        "kind": "Namespace",
        "metadata": {"name": resources.namespace_of(obj) or namespace, "labels": {"istio-injection": "enabled"}},
    }
    if obj["kind"] == "Pod":
        return injection.inject(obj, namespace=space) or obj
    if obj["kind"] == "CronJob":
        job = obj["spec"]["jobTemplate"]
        return {**obj, "spec": {**obj["spec"], "jobTemplate": {**job, "spec": _templated(job["spec"], space)}}}
    return {**obj, "spec": _templated(obj["spec"], space)} if obj["kind"] in TEMPLATED else obj


def _templated(spec: Object, space: Object) -> Object:
    template = {"metadata": {}, **spec["template"]}
    return {**spec, "template": injection.inject(template, namespace=space) or template}
