"""Canned frames of what steps end in: the doctor, commands, changes, checks, and configuration before and after."""

from collections.abc import Iterator

from labkit.exercises.verdict import Verdict
from labkit.lab.doctor.finding import Finding
from labkit.lab.doctor.report import Report
from labkit.lab.gallery.exhibit import Exhibit
from labkit.mesh.explain import hops
from labkit.mesh.explain.hops import Hop, Path
from labkit.telemetry import liveness
from labkit.telemetry.differences import Difference, Edit
from labkit.views import connectionpath, diffs, exam, results, xray

REVIEWS = """apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
spec:
  hosts:
  - reviews
  http:
  - timeout: 2s
    route:
    - destination:
        host: reviews
        subset: v1
      weight: 80
"""

WEIGHT = "routes[0].route.weighted_clusters.clusters[{n}].weight"
CHANGED = [
    Difference(
        proxy=f"{workload}-9nb5g9rml5-w44kj",
        kind="virtual host",
        name="reviews.default.svc.cluster.local:9080",
        change="changed",
        edits=(Edit(path=WEIGHT.format(n=0), old=90, new=80), Edit(path=WEIGHT.format(n=1), old=10, new=20)),
    )
    for workload in ("productpage-v1", "details-v1")
]


SITTING = exam.State(
    ends=1_764_007_200.0,
    tasks=(
        exam.Task(
            number=1,
            points=5.8,
            what="Give one request in five to reviews v2, the others to v1.",
            done_when="the shares are right",
            form="",
            is_handed_in=True,
        ),
        exam.Task(
            number=2,
            points=6.7,
            what="Nothing answers from outside. Find the object at fault and mend it.",
            done_when="the shop answers again",
            form="kind/name",
            is_handed_in=False,
        ),
    ),
)


def exhibits() -> Iterator[Exhibit]:
    """In the order of the lessons."""
    yield Exhibit(heading="What this machine lacks", call="lab.doctor()", lesson="00", view=DOCTOR)
    yield Exhibit(
        heading="What a command printed",
        call='lab.kubectl("get pods")',
        lesson="01",
        view=results.Printed(command="kubectl get pods", text=PODS),
    )
    yield Exhibit(
        heading="What an apply changed, and where it is live",
        call='lab.apply("manifests/reviews-80-20.yaml")',
        lesson="02",
        view=results.Changes(
            changes=[results.Change(what="virtualservice.networking.istio.io/reviews", action="configured")],
            live=liveness.Liveness(proxies=7, live=7, milliseconds=34.0),
            command="kubectl apply -f manifests/reviews-80-20.yaml",
        ),
    )
    yield Exhibit(
        heading="A step that is done",
        call="lab.install_istio()",
        lesson="02",
        view=results.Done(sentence="Istio is ready.", command="istioctl install --set profile=default -y"),
    )
    yield Exhibit(
        heading="A note", call='lab.hint("07-1")', lesson="07", view=results.Note(text="Weights add up to 100.")
    )
    yield Exhibit(heading="What a check says", call='lab.check("07-1")', lesson="07", view=VERDICT)
    yield Exhibit(
        heading="What the last change did to the Envoys",
        call="lab.diff()",
        lesson="20",
        view=diffs.Diff(differences=CHANGED),
    )
    yield Exhibit(
        heading="The X-ray: an object, and what became of it in one Envoy",
        call='lab.xray("virtualservice/reviews")',
        lesson="20",
        view=XRAY,
    )
    yield Exhibit(heading="The mock exam", call="lab.exam()", lesson="21", view=exam.ExamView.of_state(SITTING))
    yield Exhibit(
        heading="The path of a connection, in ambient mode and with sidecars",
        call='lab.path("curl", "ratings:9080", beside="sidecars")',
        lesson="22",
        view=connectionpath.ConnectionPaths(paths=[IN_AMBIENT, WITH_SIDECARS]),
    )


PODS = """NAME                             READY   STATUS    RESTARTS   AGE
details-v1-9nb5g9rml5-w44kj      2/2     Running   0          41s
productpage-v1-6d8f7c5b9-x2v7q   2/2     Running   0          41s"""

DOCTOR = Report(
    place="Linux; Python 3.12.3",
    findings=[
        Finding(id="disk", title="free space", verdict="pass", seen="50 GiB"),
        Finding(
            id="clock", title="the cluster's clock", verdict="warn", seen="4 s ahead", next_step="timedatectl status"
        ),
        Finding(
            id="injection",
            title="sidecar injection",
            verdict="fail",
            seen="the namespace default has no label for it",
            next_step="kubectl label namespace default istio-injection=enabled",
        ),
    ],
)

VERDICT = Verdict(
    exercise="07-1",
    passed=False,
    expected="80 % of the requests to v1 and 20 % to v2",
    observed="90 % to v1 and 10 % to v2",
    cause="VirtualService default/reviews still has the weights 90 and 10",
    next_step='lab.hint("07-1")',
)

CURL, RATINGS = "curl-6f5d8c7b9-q4x2t", "ratings-v1-7d9f8b6c5-m8k2p"
BY_CURL, BY_WAYPOINT = "cluster.local/ns/default/sa/default", "cluster.local/ns/default/sa/waypoint"

IN_AMBIENT = Path(
    title="curl calls ratings:9080",
    hops=(
        Hop(role=hops.CLIENT, name=CURL, sends=hops.ON_THE_NODE),
        Hop(role=hops.ZTUNNEL, name="node sandbox", identity=BY_CURL, sends=hops.TUNNEL),
        Hop(
            role=hops.WAYPOINT,
            name="default/waypoint",
            identity=BY_WAYPOINT,
            sends=hops.TUNNEL,
            policies=("AuthorizationPolicy default/ratings-readers",),
        ),
        Hop(role=hops.ZTUNNEL, name="node sandbox", sends=hops.ON_THE_NODE),
        Hop(role=hops.SERVER, name=RATINGS),
    ),
)
WITH_SIDECARS = Path(
    title="with sidecars",
    hops=(
        Hop(role=hops.CLIENT, name=CURL, sends=hops.IN_THE_POD),
        Hop(role=hops.SIDECAR, name=CURL, identity=BY_CURL, sends=hops.MUTUAL),
        Hop(role=hops.SIDECAR, name=RATINGS, sends=hops.IN_THE_POD),
        Hop(role=hops.SERVER, name=RATINGS),
    ),
)

XRAY = xray.XRay(
    title="VirtualService default/reviews",
    proxy="productpage-v1",
    yaml=REVIEWS,
    rows=[
        xray.Row(
            field="spec.http[0].timeout",
            value="2s",
            kind="virtual host",
            name="reviews.default.svc.cluster.local:9080",
            path="routes[0].route.timeout",
            envoy="2s",
        ),
        xray.Row(
            field="spec.http[0].route[0].weight",
            value=80,
            kind="virtual host",
            name="reviews.default.svc.cluster.local:9080",
            path=WEIGHT.format(n=0),
            envoy=80,
        ),
    ],
    proxies=[{"proxy": "productpage-v1.default", "route_sent": "3", "route_acked": "3"}],
)
