"""A lab that changes its cluster: the steps of an installation, lessons, and objects applied and deleted."""

from dataclasses import replace

from labkit.clusters import cluster as clusters
from labkit.install import bookinfo, gateway, istio
from labkit.lab import applying, arriving, chapters, control
from labkit.lab.connected import Connected
from labkit.telemetry import differences
from labkit.views import results, steps


class Changing(Connected):
    """What a lesson does to a cluster."""

    def __init__(self, cluster: clusters.Cluster, *, namespace: str = "default") -> None:
        super().__init__(cluster, namespace=namespace)
        self._before: differences.Snapshot = {}
        """What the Envoys had before the last change."""

    def install_istio(self) -> results.Done:
        """Istio's default profile: control plane, webhooks, ingress gateway; ready when this returns."""
        with steps.Steps() as step:
            istio.install(self.api, on_step=step)
        return results.Done(
            sentence="Istio is installed: istiod and the ingress gateway are ready.", command=istio.COMMAND
        ).shown()

    def deploy_bookinfo(self) -> results.Done:
        """Label the namespace for injection, apply Bookinfo, wait for its pods."""
        with steps.Steps() as step:
            bookinfo.deploy(self.api, self.namespace, on_step=step)
        return results.Done(
            sentence="Bookinfo runs: six pods, each with a sidecar.",
            command=f"kubectl apply -n {self.namespace} -f manifests/bookinfo.yaml",
        ).shown()

    def expose(self) -> results.Done:
        """Apply Bookinfo's Gateway and VirtualService, wait until the page answers."""
        with steps.Steps() as step:
            address = gateway.expose(self.api, self.namespace, on_step=step)
        return results.Done(
            sentence=f"Bookinfo answers at {address}/productpage.",
            command=f"kubectl apply -n {self.namespace} -f manifests/bookinfo-gateway.yaml",
        ).shown()

    def goto(self, chapter: str) -> results.Done:
        """Bring the cluster to where a lesson begins, whatever it was before; ``lab.goto("07")``."""
        wanted = chapters.chapter(chapter)
        number = str(chapter).zfill(2)[:2]
        with steps.Steps() as step:
            arrival = arriving.arrive(self.api, self.cluster, wanted, namespace=self.namespace, on_step=step)
            if wanted.istio is not False:
                self._control.until_gone(self._control.versions_of(arrival.removed))
                self._control.until_endpoints(arrival.applied, self.namespace)
                self._control.until_live(self._control.versions(arrival.applied, self.namespace))
        self._chapter = number
        return results.Done(sentence=f"Ready for lesson {number}: {wanted.title}.", details=arrival.notes).shown()

    def reset(self) -> results.Done:
        """Back to the beginning of the lesson."""
        return self.goto(self._chapter or "05")

    def apply(self, given: applying.Given, *, quiet: bool = False) -> results.Changes:
        """``kubectl apply`` of a path, YAML text, an object or several, live in every Envoy when this returns.

        It shows what it did wherever it stands in a cell, unless ``quiet``. KubectlError in kubectl's words when
        it is refused; the last good configuration then stays.
        """
        objects = applying.objects_of(given)
        self._before = self._configurations() if control.configures(objects) else self._before
        done = self._kubectl("apply -f -", text=applying.text_of(objects), subject=applying.subject(objects))
        changes = applying.changes(done, applying.typed(given, "apply"))
        self._control.until_endpoints(objects, self.namespace)
        live = self._control.until_live(self._control.versions(objects, self.namespace))
        changes = replace(changes, live=live)
        return changes if quiet else changes.shown()

    def delete(self, given: applying.Given, *, quiet: bool = False) -> results.Changes:
        """``kubectl delete`` of what a manifest holds, gone from every Envoy too; what is not there is no error."""
        objects = applying.objects_of(given)
        versions = self._control.versions(objects, self.namespace)
        self._before = self._configurations() if versions else self._before
        done = self._kubectl("delete --ignore-not-found -f -", text=applying.text_of(objects))
        changes = applying.changes(done, applying.typed(given, "delete"))
        changes = replace(changes, live=self._control.until_gone(versions))
        return changes if quiet else changes.shown()
