"""What a lesson changes: the steps of an installation, the state of a chapter, objects applied and deleted."""

from collections.abc import Callable
from dataclasses import replace

from labkit.base import errors, settings
from labkit.clusters import capabilities
from labkit.install import ambient, bookinfo, dataplane, gateway, gateway_api, istio, ownership, presence, rights
from labkit.lab import applying, chapters, cleanup, control, discarding, endpoints, needs, preparation
from labkit.lab.connection import Connection
from labkit.telemetry import differences
from labkit.views import results, steps


class Changes:
    """Changes of one cluster."""

    def __init__(self, connection: Connection, *, until_read: Callable[[float], object]) -> None:
        """``until_read`` waits until Prometheus has read every target after a moment."""
        self._connection, self._until_read = connection, until_read
        self.chapter = ""
        """The number of the lesson that it was brought to."""

        self.before: differences.Dumps = {}
        """What the Envoys had before the last change."""

    def install_istio(self, *, profile: str = "default") -> results.Done:
        """Istio's default profile: control plane, webhooks, ingress gateway; ready when this returns.

        With ``profile="ambient"`` also istio-cni's node agent and ztunnel.
        """
        if profile not in ("default", ambient.PROFILE):
            raise errors.SetupError(f"There is no profile {profile!r} here.", next_step='profile="ambient", or none')
        is_ambient = profile == ambient.PROFILE
        with steps.Steps() as step:
            (ambient if is_ambient else istio).install(self._connection.api, on_step=step)
        seen = presence.of(self._connection.api)
        parts = "istiod, istio-cni, ztunnel" if is_ambient else "istiod"
        ready = f"Istio is installed: {parts} and the ingress gateway are ready."
        hidden = "Istio is installed; whether istiod and the gateway are ready, this user may not see."
        return results.Done(
            sentence=hidden if seen.istiods is None else ready, command=ambient.COMMAND if is_ambient else istio.COMMAND
        ).shown()

    def deploy_bookinfo(self) -> results.Done:
        """Label the namespace for injection, apply Bookinfo, wait for its pods."""
        with steps.Steps() as step:
            bookinfo.deploy(self._connection.api, self._connection.namespace, on_step=step)
            self._connection.control.until_endpoints(bookinfo.objects(), self._connection.namespace)
        return results.Done(
            sentence="Bookinfo runs: six pods, each with a sidecar.",
            command=f"kubectl apply -n {self._connection.namespace} -f manifests/bookinfo.yaml",
        ).shown()

    def dataplane(self, mode: str) -> results.Done:
        """Give the namespace's pods sidecars, or take them away for ambient mode: ``lab.dataplane("ambient")``.

        ``mode`` is ``sidecars`` or ``ambient``. Pods that do not fit are made anew.
        """
        dataplane.require(mode)
        api, namespace = self._connection.api, self._connection.namespace
        with steps.Steps() as step:
            restarted = dataplane.ensure(api, namespace, mode, on_step=step)
            services = endpoints.services_of(api, restarted, namespace)
            self._connection.control.until_endpoints(services, namespace)
        renewed = f"; made anew: {', '.join(restarted)}" if restarted else ""
        return results.Done(
            sentence=f"The pods of {namespace} are in the mesh by {mode}{renewed}.",
            command=f"kubectl label namespace {namespace} {dataplane.words(mode)}",
        ).shown()

    def install_gateway_api(self) -> results.Done:
        """Add the definitions of the Gateway API to the cluster where they are missing; they hold for all of it."""
        is_new = gateway_api.install(self._connection.api)
        was = "are installed" if is_new else "were here already"
        return results.Done(
            sentence=f"The definitions of the Gateway API {was}.", command=gateway_api.PUBLISHED
        ).shown()

    def expose(self) -> results.Done:
        """Apply Bookinfo's Gateway and VirtualService, wait until the page answers."""
        with steps.Steps() as step:
            address = gateway.expose(self._connection.api, self._connection.namespace, on_step=step)
        return results.Done(
            sentence=f"Bookinfo answers at {address}/productpage.",
            details=[note] if (note := gateway.note(address)) else [],
            command=f"kubectl apply -n {self._connection.namespace} -f manifests/bookinfo-gateway.yaml",
        ).shown()

    def goto(self, chapter: str) -> results.Done:
        """Bring the cluster to where a lesson begins, whatever it was before; ``lab.goto("07")``."""
        lesson = chapters.chapter(chapter)
        number = str(chapter).zfill(2)[:2]
        api, namespace = self._connection.api, self._connection.namespace
        is_owned = self._connection.can(capabilities.OWNED)
        if not is_owned:
            needs.require(api, number, lesson, preparation.applied(lesson), namespace=namespace)
        with steps.Steps() as step:
            preparing = preparation.prepare(
                api,
                self._connection.cluster,
                lesson,
                namespace=namespace,
                on_step=step,
            )
            if lesson.istio is not False:
                self._connection.control.until_gone(self._connection.control.versions_of(preparing.removed))
                application = bookinfo.objects() if lesson.bookinfo else []
                self._connection.control.until_endpoints([*application, *preparing.applied], self._connection.namespace)
                self._connection.control.until_live(
                    self._connection.control.versions(preparing.applied, self._connection.namespace)
                )
            if "prometheus" in lesson.addons:
                step("the first look of Prometheus")
                self._until_read(0.0)
        self.chapter = number
        more = "" if is_owned else needs.note(api, number, namespace=namespace)
        notes = [*preparing.notes, *([more] if more else [])]
        return results.Done(sentence=f"Ready for lesson {number}: {lesson.title}.", details=notes).shown()

    def reset(self) -> results.Done:
        """Back to the beginning of the lesson."""
        return self.goto(self.chapter or "05")

    def apply(self, given: applying.Given, *, quiet: bool = False, adopt: bool = False) -> results.Changes:
        """``kubectl apply`` of a path, YAML text, an object or several, live in every Envoy when this returns.

        It shows what it did wherever it stands in a cell, unless ``quiet``. KubectlError in kubectl's words when
        it is refused; the last good configuration then stays. On a cluster that others use as well, ForeignError
        where it would change what the kit did not make; ``adopt`` keeps a copy of that and goes on. RightsError where
        this user may not apply all of it.
        """
        objects = applying.objects_of(given)
        if not self._connection.can(capabilities.OWNED):
            rights.require(
                self._connection.api, objects, namespace=self._connection.namespace, what=applying.subject(objects)
            )
        foreign = ownership.divide(self._connection.api, objects, namespace=self._connection.namespace)
        if foreign and not adopt:
            raise ownership.ForeignError(
                foreign.names, next_step="apply it with adopt=True, which keeps a copy, or choose other names"
            )
        copy = cleanup.keep_copy(foreign.foreign, settings.Paths().home / "set-aside") if foreign else None
        self.before = self._connection.configurations() if control.configures(objects) else self.before
        done = self._connection.run("apply -f -", text=applying.text_of(objects), subject=applying.subject(objects))
        changes = applying.changes(done, applying.typed(given, "apply"))
        if copy:
            kept = f"as it was before: kubectl apply -f {copy}"
            changes = replace(changes, warnings=[*changes.warnings, f"{foreign.names} {kept}"])
        self._connection.control.until_endpoints(objects, self._connection.namespace)
        live = self._connection.control.until_live(
            self._connection.control.versions(objects, self._connection.namespace)
        )
        changes = replace(changes, live=live)
        return changes if quiet else changes.shown()

    def delete(self, given: applying.Given, *, quiet: bool = False) -> results.Changes:
        """``kubectl delete`` of what a manifest holds, gone from every Envoy too; what is not there is no error.

        On a cluster that others use as well, what the kit did not make stays, and is named.
        """
        division = ownership.divide(
            self._connection.api, applying.objects_of(given), namespace=self._connection.namespace
        )
        objects = division.ours
        if not objects:
            raise ownership.ForeignError(division.names, next_step="delete it with kubectl, if you mean it")
        versions = self._connection.control.versions(objects, self._connection.namespace)
        self.before = self._connection.configurations() if versions else self.before
        done = self._connection.run("delete --ignore-not-found -f -", text=applying.text_of(objects))
        changes = applying.changes(done, applying.typed(given, "delete"))
        if division.foreign:
            changes = replace(changes, warnings=[*changes.warnings, ownership.left_alone(division.names)])
        changes = replace(changes, live=self._connection.control.until_gone(versions))
        return changes if quiet else changes.shown()

    def discard(self, *names: str) -> results.Changes:
        """Delete what a lesson made, by kind and name: ``lab.discard("namespace/shop", "deployment/client")``.

        What the kit did not make stays, and is named; what is not there is no error.
        """
        changes = discarding.discard(self._connection.run, names, is_owned=self._connection.can("owned"))
        return changes.shown()
