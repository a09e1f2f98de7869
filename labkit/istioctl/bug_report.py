"""``istioctl bug-report``: what a person who helps asks for, in one archive. No contents of Secrets."""

import argparse
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

from labkit.base import errors
from labkit.istioctl import analyze
from labkit.istioctl.session import Session
from labkit.kube import manifests, resources, status
from labkit.mesh import analysis

PAGES = ("config_dump", "clusters", "stats", "certs", "server_info")


def options(parser: argparse.ArgumentParser) -> None:
    """The flags of ``bug-report``."""
    parser.add_argument("--dir", default=".")
    parser.add_argument("--include", action="append", default=[], metavar="NAMESPACE")
    parser.add_argument("--exclude", action="append", default=[], metavar="NAMESPACE")
    parser.add_argument("--dry-run", action="store_true")


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Write ``bug-report.tar.gz``."""
    target = Path(arguments.dir) / "bug-report.tar.gz"
    if arguments.dry_run:
        session.print("Running in dry-run mode: nothing is written.")
        return 0
    with tarfile.open(target, "w:gz") as archive:
        for name, text in _files(session, arguments):
            data = text.encode()
            entry = tarfile.TarInfo(f"bug-report/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    session.print(f"Creating an archive at {target.resolve()}.", "Done.")
    return 0


def _files(session: Session, arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    objects = [o for o in analyze.cluster(session) if o["kind"] != "Secret"]
    yield "cluster/k8s-resources.yaml", manifests.dump(*objects)
    messages = analysis.analyze(analysis.Snapshot(objects))
    yield "analyze", "".join(f"{m.level} [{m.code}] ({m.origin}) {m.text}\n" for m in messages)
    for pod in session.api.list(resources.PODS):
        namespace, name = resources.namespace_of(pod), resources.name_of(pod)
        if namespace in arguments.exclude or (arguments.include and namespace not in arguments.include):
            continue
        for container in pod["spec"]["containers"]:
            path = f"/api/v1/namespaces/{namespace}/pods/{name}/log?container={container['name']}"
            _, _, body = session.api.raw("GET", path)
            yield f"{namespace}/{name}/{container['name']}.log", body.decode("utf-8", "replace")
        if any(
            c["name"] == "istio-proxy" for c in [*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or [])]
        ):
            for page in PAGES:
                try:
                    yield f"{namespace}/{name}/{page}", _without_keys(session.envoy(pod, page))
                except (errors.LabError, status.StatusError) as e:
                    yield f"{namespace}/{name}/{page}", str(e)


def _without_keys(text: str) -> str:
    try:
        document = json.loads(text)
    except ValueError:
        return text
    return json.dumps(_redacted(document), indent=1)


def _redacted(value: object) -> object:
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    if isinstance(value, dict):
        return {k: "[redacted]" if k == "private_key" else _redacted(v) for k, v in value.items()}
    return value
