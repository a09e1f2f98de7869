"""``KUBECONFIG`` for terminals and kernels: plain kubectl speaks to the chosen context.

No file of the user's changes.
"""

import os
from pathlib import Path

import yaml

from labkit.base import choice, private, settings
from labkit.clusters import contexts

NAME = "labkit"
"""The context of our own, with the cluster and the user of the chosen one."""


def kubeconfig(paths: settings.Paths, chosen: choice.Choice) -> str:
    """The value: a file, or a small one of ours before it, which says no more than which context and namespace.

    kubectl merges the files in order, and what the first one says counts. Credentials stay where they are.
    """
    if chosen == choice.SANDBOX:
        return str(paths.kubeconfig)
    kubeconfig = chosen.kubeconfig or paths.kubeconfig
    try:
        context = contexts.chosen(kubeconfig, contexts.read(kubeconfig), named=chosen.context)
    except contexts.KubeconfigError:
        return str(kubeconfig)  # a file that is not there yet, or no more: kubectl says so
    return os.pathsep.join([str(_written(paths, context, chosen.namespace)), str(kubeconfig)])


def _written(paths: settings.Paths, context: contexts.Context, namespace: str) -> Path:
    entry = {"cluster": context.cluster, "user": context.user, "namespace": namespace}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": NAME,
        "contexts": [{"name": NAME, "context": entry}],
    }
    paths.make()
    private.write(file(paths), yaml.safe_dump(document, sort_keys=False).encode())
    return file(paths)


def file(paths: settings.Paths) -> Path:
    """The small file of ours."""
    return paths.home / "context.yaml"
