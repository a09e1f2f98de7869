"""The ground that facts are measured on: namespaces of their own on one cluster, and what is applied there."""

import tempfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from labkit.base import errors, waiting
from labkit.clusters.cluster import Cluster
from labkit.install import gateway, kinds
from labkit.kube import manifests, resources
from labkit.kube.resources import Object
from labkit.lab.control import ControlPlane
from labkit.lab.doors import Doors
from labkit.lab.kubectl import Kubectl

NAMESPACE = "facts"
"""Where Bookinfo and the clients of the facts run, each with a sidecar."""

BESIDE = "facts-beside"
"""Another namespace of the mesh."""

OUTSIDE = "facts-outside"
"""Where a server runs that the mesh does not have."""

INJECTION = {NAMESPACE: "enabled", BESIDE: "enabled", OUTSIDE: "disabled"}

ROLLOUT = 180.0
"""Seconds; a sandbox takes one, a cluster that pulls images a minute."""

OWN = Path(__file__).parent / "manifests"
"""Manifests that Istio does not publish as files."""

Named = str | Path
"""A file: of ours (``mirror.yaml``), of the samples (``bookinfo/networking/…yaml``), or a path."""

B = ("bookinfo/networking/bookinfo-gateway.yaml", "bookinfo/networking/destination-rule-all.yaml")
"""The state that most facts begin with: the gateway, and a subset for each version."""


class Ground:
    """One cluster; ``rules`` says what it is told, everything else measures."""

    def __init__(self, cluster: Cluster, samples: Path) -> None:
        self.cluster = cluster
        self.api = cluster.client()
        self.kubectl = Kubectl(cluster, namespace=NAMESPACE)
        self._control = ControlPlane(self.api, Doors(self.api, cluster, self.kubectl))
        self._samples = samples
        self._present: dict[tuple[str, str, str], Object] = {}
        """Rules by kind, namespace and name, as their files have them."""
        self._deployed: set[tuple[Named, str]] = set()
        self._drafts = tempfile.TemporaryDirectory(prefix="facts-")

    def __repr__(self) -> str:
        return f"Ground({self.cluster.kubeconfig}, {len(self._present)} rules)"

    def prepare(self) -> None:
        """Make the namespaces; SetupError where another Gateway answers for every host."""
        self._refuse_if_taken()
        for name, injection in INJECTION.items():
            metadata = {"name": name, "labels": {"istio-injection": injection}}
            kinds.apply_all(self.api, [{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}])
        self.deploy("bookinfo/platform/kube/bookinfo.yaml", "curl/curl.yaml")

    def close(self, *, forget: bool) -> None:
        """Take the namespaces away, if asked, and the drafts; wait until they are gone."""
        self._drafts.cleanup()
        if not forget:
            return
        # Rules of the whole mesh stand in a namespace that stays.
        self._remove([obj for obj in self._present.values() if resources.namespace_of(obj)])
        for name in INJECTION:
            self.api.delete(resources.NAMESPACES, name)
        waiting.until(
            lambda: all(self.api.find(resources.NAMESPACES, name) is None for name in INJECTION),
            what=f"the end of the namespaces {', '.join(INJECTION)}",
            timeout=ROLLOUT,
            next_step=f"kubectl get namespace {NAMESPACE} -o yaml",
        )

    def _refuse_if_taken(self) -> None:
        for other in self.api.list(resources.GATEWAYS):
            chosen = (other["spec"].get("selector") or {}).get("istio") == "ingressgateway"
            hosts = {host for server in other["spec"].get("servers") or [] for host in server.get("hosts") or []}
            where = resources.namespace_of(other)
            if chosen and where != NAMESPACE and hosts & {"*", "*/*"}:
                raise errors.SetupError(
                    f"Gateway {where}/{resources.name_of(other)} answers for every host of the ingress gateway, "
                    "so requests of the facts could reach its routes.",
                    next_step=f"kubectl -n {where} delete gateways.networking.istio.io {resources.name_of(other)}, "
                    "or choose another cluster",
                )

    # What is applied

    def file(self, named: Named) -> Path:
        """The path of a manifest."""
        if isinstance(named, Path):
            return named
        return self._samples / named if "/" in named else OWN / named

    def filled(self, named: str, values: Mapping[str, str]) -> Path:
        """A manifest with words replaced: ``{"ADDRESS": "10.0.0.7"}``."""
        text = self.file(named).read_text()
        for word, value in values.items():
            text = text.replace(word, value)
        draft = Path(self._drafts.name) / named
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text)
        return draft

    def deploy(self, *files: Named, namespace: str = NAMESPACE) -> None:
        """Apply workloads as they are, and wait for their pods and until every proxy leads to them; once."""
        missing = [f for f in files if (f, namespace) not in self._deployed]
        if not missing:
            return
        flags = [word for f in missing for word in ("-f", str(self.file(f)))]
        self.kubectl(["--namespace", namespace, "apply", *flags])
        objects = [obj for f in missing for obj in manifests.read(self.file(f))]
        names = [resources.name_of(obj) for obj in objects if obj["kind"] == "Deployment"]
        kinds.until_rolled_out(self.api, names, namespace, timeout=ROLLOUT)
        # A client's Envoy without the Service's listener lets the call through in plain text.
        self._control.until_endpoints(objects, namespace)
        self._deployed |= {(f, namespace) for f in missing}

    def rules(self, *files: Named) -> str:
        """Have exactly the rules of these files, later ones over earlier ones, live; kubectl's warnings."""
        rules = {_key(obj): obj for f in files for obj in manifests.read(self.file(f))}
        self._remove([obj for key, obj in self._present.items() if key not in rules])
        self._present = rules
        if not files:
            return ""
        printed = "".join(self._apply(f) for f in files)
        self.until_live(list(rules.values()))
        return printed

    def _apply(self, file: Named) -> str:
        """kubectl's warnings; a policy of the whole mesh names the root namespace."""
        (namespace, *_) = {resources.namespace_of(obj) or NAMESPACE for obj in manifests.read(self.file(file))}
        return str(self.kubectl(["--namespace", namespace, "apply", "-f", str(self.file(file))]).err)

    def delete(self, file: Named) -> None:
        """``kubectl delete -f``, and wait until it is gone from every proxy."""
        objects = manifests.read(self.file(file))
        versions = self._control.versions(objects, NAMESPACE)
        self.kubectl(["delete", "-f", str(self.file(file))])
        self._control.until_gone(versions)
        for obj in objects:
            self._present.pop(_key(obj), None)

    def until_live(self, objects: Sequence[Object]) -> None:
        """Wait until istiod says that every proxy has them."""
        self._control.until_live(self._control.versions(objects, NAMESPACE))

    def _remove(self, objects: Sequence[Object]) -> None:
        versions = self._control.versions(objects, NAMESPACE)
        for obj in objects:
            place = resources.namespace_of(obj) or NAMESPACE
            self.api.delete(kinds.resource_of(self.api, obj), resources.name_of(obj), place)
        self._control.until_gone(versions)

    # Where it answers

    @cached_property
    def url(self) -> str:
        """The ingress gateway's address."""
        address = waiting.until(
            lambda: gateway.url(self.api),
            what="the ingress gateway's address",
            timeout=60.0,
            next_step="kubectl -n istio-system get svc istio-ingressgateway",
        )
        return str(address)

    def address(self, labels: str, namespace: str) -> str:
        """The address of the one pod with these labels."""
        pods = self.api.list(resources.PODS, namespace, labels=labels)
        return next((str(p["status"]["podIP"]) for p in pods if (p.get("status") or {}).get("podIP")), "")


def _key(obj: Object) -> tuple[str, str, str]:
    return f"{obj['apiVersion']}/{obj['kind']}", resources.namespace_of(obj), resources.name_of(obj)
