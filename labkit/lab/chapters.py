"""What each lesson begins with. Pure data; ``preparation`` brings a cluster there."""

from collections.abc import Mapping
from dataclasses import dataclass

from labkit.base import errors


@dataclass(frozen=True, kw_only=True)
class Chapter:
    """The state of the cluster at the first cell of a lesson."""

    title: str

    istio: bool | None = True
    """Whether Istio is installed; None leaves that as it is. Only a sandbox ever loses it."""

    bookinfo: bool | None = True
    """Whether Bookinfo runs in the course's namespace; None leaves that as it is."""

    gateway: bool = True
    """Whether Bookinfo is exposed."""

    gateway_api: bool = False
    """Whether the lesson makes objects of the Gateway API."""

    ambient: bool = False
    """Whether Bookinfo's pods are in ambient mode instead of having sidecars."""

    addons: tuple[str, ...] = ()
    """What runs beside istiod: ``prometheus``, ``jaeger``."""

    manifests: tuple[str, ...] = ()
    """Further files below ``notebooks/manifests`` that are applied."""


RULES = "destination-rules.yaml"
ALL_V1 = "reviews-v1.yaml"

CHAPTERS: Mapping[str, Chapter] = {
    "00": Chapter(title="Start here"),
    "01": Chapter(title="A cluster refresher", istio=None, bookinfo=None, gateway=False),
    "02": Chapter(title="Install Istio", istio=False, bookinfo=False, gateway=False),
    "03": Chapter(title="Deploy Bookinfo", bookinfo=False, gateway=False),
    "04": Chapter(title="Expose the gateway", gateway=False, gateway_api=True),
    "05": Chapter(title="Verify"),
    "06": Chapter(title="Request routing", gateway_api=True, manifests=("curl.yaml",)),
    "07": Chapter(title="Split traffic", gateway_api=True, manifests=(RULES, ALL_V1)),
    "08": Chapter(title="Mirror", gateway_api=True, manifests=(RULES, ALL_V1)),
    "09": Chapter(
        title="Faults, timeouts and retries",
        gateway_api=True,
        manifests=(RULES, "reviews-jason-v2.yaml", "curl.yaml", "httpbin-and-fortio.yaml"),
    ),
    "10": Chapter(title="Circuit breaking", manifests=("curl.yaml", "httpbin-and-fortio.yaml")),
    "11": Chapter(title="Mutual TLS", manifests=("curl.yaml", "httpbin-and-fortio.yaml", "legacy.yaml")),
    "12": Chapter(title="Who may call whom", gateway_api=True, manifests=(RULES, "reviews-0-100.yaml", "curl.yaml")),
    "13": Chapter(
        title="End users",
        gateway_api=True,
        manifests=(RULES, "reviews-0-100.yaml", "curl.yaml", "httpbin-and-fortio.yaml"),
    ),
    "14": Chapter(title="Rate limits and quotas", manifests=("curl.yaml",)),
    "15": Chapter(title="Metrics", addons=("prometheus",), manifests=(RULES, "curl.yaml")),
    "16": Chapter(
        title="Access logs",
        gateway_api=True,
        manifests=(RULES, "reviews-0-100.yaml", "curl.yaml", "httpbin-and-fortio.yaml"),
    ),
    "17": Chapter(title="Traces", addons=("jaeger",), manifests=(RULES, "reviews-v3.yaml", "curl.yaml")),
    "18": Chapter(title="The service graph", manifests=(RULES,)),
    "19": Chapter(title="Egress", manifests=("outside.yaml",)),
    "20": Chapter(title="Inside istiod and Envoy", manifests=("curl.yaml",)),
    "21": Chapter(title="The clinic", manifests=(RULES, "curl.yaml", "httpbin-and-fortio.yaml", "legacy.yaml")),
    "22": Chapter(title="Ambient", ambient=True, gateway_api=True, manifests=("curl.yaml", "legacy.yaml")),
    "23": Chapter(title="Upgrade Istio"),
}


class UnknownChapterError(errors.LabError):
    """There is no such lesson."""

    def __init__(self, name: str) -> None:
        lessons = ", ".join(f"{number} ({chapter.title})" for number, chapter in CHAPTERS.items())
        super().__init__(f'There is no lesson {name!r}.\nKnown: {lessons}\nNext: lab.goto("00")')


def chapter(name: str) -> Chapter:
    """The chapter of a number, ``"07"``; UnknownChapterError lists what there is."""
    entry = CHAPTERS.get(str(name).zfill(2)[:2])
    if entry is None:
        raise UnknownChapterError(name)
    return entry
