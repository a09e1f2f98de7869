"""A loopback address that leads to the pods of a Service, on any cluster: a process of the lab that outlives a command.

It is the way to a gateway where nothing else is: no load balancer, and nodes whose addresses are not routed, as with
Docker Desktop. The socket is bound before the process begins, so nobody else can answer there.
"""

import argparse
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from labkit.base import errors, private, programs, records, settings
from labkit.clusters import cluster
from labkit.kube import client, portforward, resources
from labkit.kube.resources import Object

HOST = "127.0.0.1"
EVERY = 20.0
"""Seconds between two looks at whether anybody can still need it."""

PATIENCE = 15
"""Looks in a row at which the cluster does not answer: five minutes."""


def address(
    paths: settings.Paths, named: cluster.Cluster, service: str, namespace: str, port: int
) -> tuple[str, int] | None:
    """Host and local port of the forwarder of a Service's port, which is started if it does not run."""
    name = f"forward-{namespace}-{service}-{port}"
    record = records.Record(path=paths.run / f"{name}.json")
    cluster_of = {"kubeconfig": str(named.kubeconfig), "context": named.context}
    facts = record.read()
    if facts and {key: facts.get(key) for key in cluster_of} == cluster_of:
        return HOST, int(facts["port"])
    stop(record)
    paths.make()
    with _bound(paths.home / f"{name}-port") as listening:
        local = int(listening.getsockname()[1])
        programs.start(
            [
                *(sys.executable, "-m", "labkit.clusters.forwarder", "--home", str(paths.home)),
                *("--kubeconfig", str(named.kubeconfig), *(("--context", named.context) if named.context else ())),
                *("--service", service, "--namespace", namespace, "--port", str(port)),
                *("--listen", str(listening.fileno())),
            ],
            log=paths.logs / "forwarder.log",
            env={"PYTHONPATH": str(settings.CHECKOUT)},
            record=lambda process: record.write(process, port=local, **cluster_of),
            files=[listening.fileno()],
        )
    return HOST, local


def stop_all(paths: settings.Paths) -> int:
    """Stop every forwarder of this lab; how many ran."""
    return sum(stop(records.Record(path=file)) for file in sorted(paths.run.glob("forward-*.json")))


def stop(record: records.Record) -> bool:
    """Stop one; False when it did not run."""
    from labkit.base import processes

    process = record.process()
    if process:
        processes.end(process, grace=2.0)
    record.forget()
    return process is not None


def pod_of(api: client.Client, service: str, namespace: str, port: int) -> tuple[str, int] | None:
    """A pod behind the Service that is ready now, and the port in it that the Service's port leads to."""
    live = api.find(resources.SERVICES, service, namespace)
    selector = (live or {}).get("spec", {}).get("selector")
    if live is None or not selector:
        return None
    labels = ",".join(f"{key}={value}" for key, value in selector.items())
    ready = [pod for pod in api.list(resources.PODS, namespace, labels=labels) if is_ready(pod)]
    entry = next((p for p in live["spec"]["ports"] if p["port"] == port), None)
    if not ready or entry is None:
        return None
    number = _number(entry.get("targetPort", port), ready[0])
    return (resources.name_of(ready[0]), number) if number else None


def leads(service: Object, port: int) -> bool:
    """Whether a Service has such a port and chooses pods; one is looked for at each connection."""
    spec = service["spec"]
    return bool(spec.get("selector")) and any(entry["port"] == port for entry in spec.get("ports") or [])


def is_ready(pod: Object) -> bool:
    """Whether it serves: ready, and not on its way out."""
    conditions = pod.get("status", {}).get("conditions") or []
    is_going = "deletionTimestamp" in pod["metadata"]
    return not is_going and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def _number(target: object, pod: Object) -> int | None:
    if isinstance(target, int):
        return target
    ports = [port for c in pod["spec"]["containers"] for port in c.get("ports") or []]
    return next((int(p["containerPort"]) for p in ports if p.get("name") == target), None)


def _bound(remembered: Path) -> socket.socket:
    """A socket at the port of last time, so that open pages go on; else at any."""
    try:
        last = int(remembered.read_text())
    except (OSError, ValueError):
        last = 0
    for port in (last if 1023 < last < 65536 else 0, 0):
        try:
            listening = socket.create_server((HOST, port))
        except OSError:
            continue
        private.write(remembered, str(listening.getsockname()[1]).encode())
        return listening
    raise OSError(f"no TCP port of {HOST} is free")


def main(words: Sequence[str] | None = None) -> None:
    """The process: serve until it is ended."""
    parser = argparse.ArgumentParser()
    for word in ("home", "kubeconfig", "context", "service", "namespace"):
        parser.add_argument(f"--{word}")
    parser.add_argument("--port", type=int)
    parser.add_argument("--listen", type=int)
    named = parser.parse_args(words)
    api = client.Client.from_kubeconfig(Path(named.kubeconfig), context=named.context)
    listening = socket.socket(fileno=named.listen)
    threading.Thread(target=_until_needless, args=(api, Path(named.home)), daemon=True).start()
    print(json.dumps({"service": f"{named.namespace}/{named.service}", "port": named.port}), flush=True)
    portforward.Listener(
        api,
        named.namespace,
        lambda: pod_of(api, named.service, named.namespace, named.port),
        listening=listening,
    ).serve()


def _until_needless(api: client.Client, home: Path) -> None:
    """End this process once its lab is gone, or its cluster has not answered for a while."""
    misses = 0
    while misses < PATIENCE:
        time.sleep(EVERY)
        if not home.exists() or not api.kubeconfig.exists():
            break
        try:
            misses = 0 if api.raw("GET", "/version", timeout=5.0)[0] < 500 else misses + 1
        except errors.LabError:
            misses += 1
    os._exit(0)


if __name__ == "__main__":
    main()
