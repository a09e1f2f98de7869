"""The kit's istiod on two API servers, a real kube-apiserver and the sandbox's: every proxy has to get the same.

``python -m tools.parts_swap REAL_KUBECONFIG [--scene FILE …]`` needs an empty real API server whose pods become Running
and have addresses (a kubelet, or a stand-in for one); nothing of it is part of the test suite. Bookinfo and the objects
of each FILE are applied to both, istiod follows each with the rights that its own ClusterRole gives it, and the
configurations are compared with pods and Services in the place of addresses.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from labkit.base import settings, waiting
from labkit.clusters import sandbox
from labkit.install import bookinfo, gateway, istio, kinds, types
from labkit.kube import aio, client, manifests, resources
from labkit.kube.resources import Object
from labkit.lab import snapshots
from labkit.mesh import origins
from labkit.sandbox.istiod import authority
from labkit.sandbox.istiod.istiod import Istiod

TIMEOUT = 120.0
SETTLED = 3.0
"""Seconds without a push after which istiod has seen everything."""

ADDRESS = "127.0.0.97"
"""Where istiod serves while it is looked at; nobody connects."""

API_SERVER = "outbound|443||kubernetes.default.svc.cluster.local"
"""Not compared: each API server has an address and a port of its own."""

Told = Mapping[str, Any]
"""Resource → its content, with names for addresses."""


def prepare(api: client.Client, scene: Sequence[Object]) -> None:
    """Definitions, istiod's account and rights, Bookinfo with the label of injected pods, and the scene."""
    rights = [o for o in istio.objects() if o["kind"] in ("ServiceAccount", "ClusterRole", "ClusterRoleBinding")]
    system = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": istio.NAMESPACE}}
    mesh = [o for o in istio.objects() if o["kind"] == "ConfigMap"]
    kinds.apply_all(api, [system, *rights, *mesh, *types.crds()])
    waiting.until(
        lambda: api.raw("GET", "/apis/networking.istio.io/v1/virtualservices")[0] == 200,
        what="Istio's definitions",
        timeout=TIMEOUT,
        next_step="kubectl get crds",
    )
    kinds.apply_all(api, [_injected(o) for o in bookinfo.objects()], namespace="default")
    kinds.apply_all(api, [*gateway.objects(), *scene], namespace="default")
    names = [resources.name_of(o) for o in bookinfo.objects() if o["kind"] == "Deployment"]
    kinds.until_rolled_out(api, names, "default", timeout=TIMEOUT)


def _injected(obj: Object) -> Object:
    if obj["kind"] != "Deployment":
        return obj
    copy: Object = json.loads(json.dumps(obj))
    copy["spec"]["template"]["metadata"]["labels"]["security.istio.io/tlsMode"] = "istio"
    return copy


def account_kubeconfig(api: client.Client, admin: Path, folder: Path) -> Path:
    """A kubeconfig of istiod's own service account."""
    path = f"/api/v1/namespaces/{istio.NAMESPACE}/serviceaccounts/istiod/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    code, _, body = api.raw("POST", path, body=request)
    if code != 201:
        raise SystemExit(f"no token for istiod: {code} {body[:300]!r}")
    (config,) = manifests.parse(admin.read_text())
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": json.loads(body)["status"]["token"]}}]
    cluster = config["clusters"][0]["cluster"]
    data = cluster.pop("certificate-authority-data", "")
    pem = base64.b64decode(data) if data else (admin.parent / cluster["certificate-authority"]).read_bytes()
    (folder / "ca.crt").write_bytes(pem)
    cluster["certificate-authority"] = "ca.crt"
    file = folder / "kubeconfig"
    file.write_text(manifests.dump(config))
    file.chmod(0o600)
    return file


@contextlib.asynccontextmanager
async def running(kubeconfig: Path) -> AsyncIterator[Istiod]:
    """istiod, following this API server, once it has been quiet for a while."""
    async with aio.Client.from_kubeconfig(kubeconfig) as follower:
        istiod = Istiod(follower, authority.Authority.new(), ADDRESS)
        task = asyncio.create_task(istiod.run())
        pushes = -1
        while pushes != istiod.discovery.pushes or pushes < 1:
            pushes = istiod.discovery.pushes
            await asyncio.sleep(SETTLED)
            if task.done():
                await task
        try:
            yield istiod
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def told(api: client.Client, kubeconfig: Path) -> dict[str, Told]:
    """Workload → what its proxy would be sent."""
    snapshot = snapshots.read(api)
    names = dict(_names(snapshot.of("pods"), snapshot.of("services")))
    async with running(kubeconfig) as istiod:
        index = istiod._publication._index
        assert index is not None
        configs = {}
        for pod in snapshot.of("pods"):
            if resources.namespace_of(pod) == "default":
                config = index.config(snapshots.proxy_of(pod))
                every = {f"{k} {n}": r for k in origins.KINDS for n, r in getattr(config, k).items() if n != API_SERVER}
                configs[_workload(pod)] = {_named(key, names): _plain(r, names) for key, r in every.items()}
        return configs


def _workload(pod: Object) -> str:
    labels = resources.labels_of(pod)
    return f"{labels.get('app')}-{labels.get('version')}"


def _names(pods: Sequence[Object], services: Sequence[Object]) -> Iterator[tuple[str, str]]:
    for pod in pods:
        yield str((pod.get("status") or {}).get("podIP")), f"POD({_workload(pod)})"
    for service in services:
        if (address := service["spec"].get("clusterIP")) not in (None, "None"):
            yield address, f"ClusterIP({resources.name_of(service)})"


def _named(text: str, names: Mapping[str, str]) -> str:
    for address, name in sorted(names.items(), key=lambda entry: -len(entry[0])):
        text = text.replace(address, name)
    return text


def _plain(resource: Any, names: Mapping[str, str]) -> Any:
    return json.loads(_named(json.dumps(resource, sort_keys=True), names))


def differences(real: Mapping[str, Told], ours: Mapping[str, Told]) -> list[str]:
    """A line for each resource that is not the same."""
    lines = [f"{name}: only on one of them" for name in real.keys() ^ ours.keys()]
    for name in real.keys() & ours.keys():
        for key in sorted(real[name].keys() | ours[name].keys()):
            one, other = real[name].get(key), ours[name].get(key)
            if one != other:
                lines.append(
                    f"{name}: {key}: "
                    + ("missing here" if other is None else "missing there" if one is None else "differs")
                )
    return sorted(lines)


def main(words: Sequence[str]) -> int:
    """Compare; 0 where every proxy gets the same."""
    parser = argparse.ArgumentParser(prog="tools.parts_swap", description=__doc__)
    parser.add_argument("kubeconfig", type=Path)
    parser.add_argument("--scene", type=Path, action="append", default=[])
    arguments = parser.parse_args(words)
    scene = [obj for file in arguments.scene for obj in manifests.read(file)]
    with tempfile.TemporaryDirectory() as folder:
        paths = settings.Paths(home=Path(folder) / "home")
        sandbox.start(paths)
        try:
            results = []
            for name, kubeconfig in (("real", arguments.kubeconfig), ("sandbox", paths.kubeconfig)):
                own = Path(folder) / name
                own.mkdir()
                api = client.Client.from_kubeconfig(kubeconfig)
                prepare(api, scene)
                results.append(asyncio.run(told(api, account_kubeconfig(api, kubeconfig, own))))
        finally:
            sandbox.stop(paths)
    lines = differences(*results)
    print(*lines, sep="\n")
    counts = sum(len(resources_of) for resources_of in results[0].values())
    print(f"{len(results[0])} proxies, {counts} resources, {len(lines)} differences")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
