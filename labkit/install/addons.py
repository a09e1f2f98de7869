"""Prometheus and Jaeger in ``istio-system``, under the names of Istio's own addons."""

from importlib import resources as files

from labkit.base import errors
from labkit.clusters import capabilities
from labkit.install import istio, kinds
from labkit.kube import client, manifests, resources, status
from labkit.kube.resources import Object

ADDONS = {"prometheus": "prometheus", "jaeger": "tracing"}
"""What can be installed, and the Service by which it is asked."""

TIMEOUT = 120.0
"""Seconds; a cluster that pulls images takes a minute."""


def command(name: str) -> str:
    """What a practitioner types for Istio's own addon."""
    return f"kubectl apply -f samples/addons/{name}.yaml"


def objects(name: str) -> list[Object]:
    """The manifest of an addon; SetupError names those that there are."""
    if name not in ADDONS:
        raise errors.SetupError(
            f"There is no addon {name!r}; the kit installs {' and '.join(ADDONS)}.",
            next_step=f'lab.install_addon("{next(iter(ADDONS))}")',
        )
    text = files.files(__package__).joinpath(f"data/{name}.yaml").read_text()
    return manifests.parse(text, source=f"{name}.yaml")


def is_installed(api: client.Client, name: str) -> bool:
    """Whether its Service is there, of ours or of Istio's own manifest."""
    try:
        return api.find(resources.SERVICES, ADDONS[name], istio.NAMESPACE) is not None
    except status.StatusError as e:
        if e.code != 403:
            raise
        raise errors.SetupError(
            f"You may not read Services in namespace {istio.NAMESPACE}, where {name.capitalize()} is looked for.",
            next_step=f"ask the cluster's owner for the rights to read {istio.NAMESPACE} and to reach "
            f"services/proxy there; ./lab up --cluster sandbox has it all",
        ) from e


def require(api: client.Client, name: str) -> None:
    """SetupError where the addon is not there."""
    if not is_installed(api, name):
        raise errors.SetupError(
            f"There is no {name.capitalize()} in {istio.NAMESPACE}.", next_step=f'lab.install_addon("{name}")'
        )


def require_or_may(api: client.Client, name: str) -> None:
    """SetupError where the addon is not there and the kit does not install it, with what to type."""
    if is_installed(api, name) or capabilities.ask(api) & {capabilities.BUNDLED_ISTIO, capabilities.OWNED}:
        return
    raise errors.SetupError(
        f"This cluster has no {name.capitalize()} in {istio.NAMESPACE}, and the kit installs nothing on it.",
        next_step=command(name),
    )


def install(api: client.Client, name: str, *, on_step: istio.OnStep = lambda _: None) -> None:
    """Install it and wait until it is ready; one that is there already stays as it is.

    On a cluster where the kit installs nothing, SetupError says what to type.
    """
    manifest = objects(name)
    require_or_may(api, name)
    if not is_installed(api, name):
        on_step(f"{name} in {istio.NAMESPACE}")
        kinds.apply_all(api, manifest)
    deployments = [resources.name_of(obj) for obj in manifest if obj["kind"] == "Deployment"]
    kinds.until_rolled_out(api, deployments, istio.NAMESPACE, timeout=TIMEOUT)


def remove(api: client.Client, name: str) -> None:
    """Delete what ``install`` applied."""
    for obj in objects(name):
        api.delete(kinds.resource_of(api, obj), resources.name_of(obj), resources.namespace_of(obj))
