"""What the cells of a lesson apply, and what of that this user may not: said when the lesson begins."""

import re

from labkit.base import errors, settings
from labkit.install import addons, addresses, ambient, gateway, istio, rights
from labkit.kube import client, manifests
from labkit.kube.resources import Object
from labkit.lab.chapters import Chapter

_FILE = re.compile(r"manifests/[\w.-]+\.yaml")


def objects(number: str) -> list[Object]:
    """Every object of the manifests that a lesson names."""
    notebooks = settings.CHECKOUT / "notebooks"
    text = "".join(path.read_text(encoding="utf-8") for path in notebooks.glob(f"{number}-*.ipynb"))
    files = [notebooks / name for name in dict.fromkeys(_FILE.findall(text))]
    applied: list[Object] = []
    for file in files:
        try:
            applied += manifests.read(file)
        except errors.LabError:
            continue  # a file that the lesson breaks on purpose
    return applied


def require(api: client.Client, number: str, chapter: Chapter, start: list[Object], *, namespace: str) -> None:
    """SetupError or RightsError where a lesson cannot begin here; asked before anything is changed."""
    for name in chapter.addons:
        addons.require_or_may(api, name)
    if chapter.ambient:
        ambient.require(api)
    if chapter.gateway:
        addresses.require_readable(api, gateway.SERVICE, istio.NAMESPACE)
    rights.require(api, start, namespace=namespace, what=f"Lesson {number} cannot begin")


def note(api: client.Client, number: str, *, namespace: str) -> str:
    """What later cells of the lesson need and this user may not; empty where nothing is missing."""
    missing = rights.denied(api, rights.of_objects(api, objects(number), namespace=namespace))
    if not missing:
        return ""
    request = rights.request(missing, user=rights.user(api))
    return f"some cells stop here, and change nothing: {rights.told(missing)}. Next: {request}"
