"""A mesh in memory as evidence: real configuration of every proxy, and applications of a few lines behind them.

The configuration is what the sandbox's istiod gives each Envoy, so a verdict reads here what it reads on a cluster.
"""

from collections import Counter
from dataclasses import dataclass, replace

import yaml

from labkit import traffic
from labkit.conformance import scene
from labkit.exercises import flows
from labkit.exercises.diagnosis import breakers, objects, outside, policies, way
from labkit.exercises.diagnosis import decision as decisions
from labkit.exercises.diagnosis.decision import Ask
from labkit.exercises.evidence import GATEWAY
from labkit.install import addons, bookinfo, gateway, istio
from labkit.kube import manifests, resources
from labkit.lab import chapters, preparation
from labkit.mesh import compiler, gateway_api
from labkit.telemetry import inside
from labkit.traffic import fetching
from tests.exercises import guarded

ADDRESS = "127.0.0.1:30080"
GIVES_UP = 3.0
"""Seconds that productpage waits for reviews; it tries twice."""


def started(exercise):
    """The objects that are there when a learner begins with an exercise."""
    chapter = chapters.chapter(STARTS.get(exercise.id[:2], exercise.id[:2]))
    files = [*chapter.manifests, *exercise.given]
    own = [obj for name in files for obj in manifests.read(preparation.MANIFESTS / name)]
    beside = [obj for name in chapter.addons for obj in addons.objects(name)]
    return [*istio.objects(), *beside, *bookinfo.objects(), *gateway.objects(), *own]


def mesh_config(objects):
    """The mesh's configuration as scenes have it, from the ConfigMap that istiod reads."""
    of_istio = (o for o in objects if (o["kind"], resources.name_of(o)) == ("ConfigMap", "istio"))
    return {"kind": "MeshConfig", "mesh": yaml.safe_load(next(of_istio)["data"]["mesh"])}


STARTS = {"02": "03", "03": "05", "04": "05"}
"""Lessons whose exercises come after their own work: where the cluster is by then."""


def key(obj):
    return (
        obj["kind"],
        obj["apiVersion"].partition("/")[0],
        resources.namespace_of(obj) or "default",
        resources.name_of(obj),
    )


def together(start, attempt):
    """What kubectl apply leaves: a changed object keeps its age, a new one is younger than all others."""
    ages = {key(obj): "2026-11-01T00:00:00Z" for obj in start}
    stored = {key(obj): obj for obj in start} | {key(obj): obj for obj in attempt}
    return [_aged(obj, ages.get(key(obj), "2026-11-02T00:00:00Z")) for obj in stored.values()]


def _aged(obj, created):
    metadata = {**scene.with_namespace(obj)["metadata"], "creationTimestamp": created}
    return {**obj, "metadata": metadata}


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int
    version: str = ""
    seconds: float = 0.0
    text: str = ""
    location: str = ""


class Simulated:
    """``Evidence`` of these objects."""

    namespace = "default"

    def __init__(self, exercise, attempt=(), answer=None, *, deleted=()):
        gone = {key(obj) for obj in deleted}
        start = [obj for obj in started(exercise) if key(obj) not in gone]
        self._snapshot = scene.snapshot([*together(start, attempt), mesh_config(start)])
        self._statuses = gateway_api.convert(self._snapshot).statuses
        self._index = compiler.index(self._snapshot)
        self._guards = guarded.Guards(self._snapshot)
        self._proxies = scene.proxies(self._snapshot)
        self._answers = {exercise.id: answer} if answer is not None else {}
        self._configs, self._logs = {}, Counter()

    # Objects

    def resource(self, kind, name, namespace=""):
        return next((o for o in self.resources(kind, namespace) if resources.name_of(o) == name), None)

    def resources(self, kind, namespace=""):
        place = namespace or self.namespace
        return [o for o in self.everywhere(kind) if not kind.namespaced or resources.namespace_of(o) == place]

    def everywhere(self, kind):
        plural = f"{kind.plural}.{kind.group}" if kind.group else kind.plural
        listed = [o for o in self._snapshot.of(plural) if (o["kind"], group(o)) == (kind.kind, kind.group)]
        listed = [o for o in listed if gateway_api.PARENTS not in resources.annotations_of(o)]
        return [self._called(o) for o in sorted(listed, key=lambda o: o["metadata"].get("creationTimestamp", ""))]

    def _called(self, obj):
        """As a cluster has it: the scene has short names of pods, no container that is ready, and no statuses."""
        if obj["kind"] == "HTTPRoute":
            name = "HTTPRoute", resources.namespace_of(obj), resources.name_of(obj)
            return {**obj, "status": self._statuses.get(name, {})}
        if obj["kind"] != "Pod":
            return obj
        ready = [{"name": c["name"], "ready": True} for c in obj["spec"]["containers"]]
        called = resources.name_of(obj).replace("ingressgateway", GATEWAY)
        status = {**obj["status"], "containerStatuses": ready}
        return {**obj, "metadata": {**obj["metadata"], "name": called}, "status": status}

    def config(self, pod, namespace=""):
        short = pod.removeprefix("istio-") if pod == GATEWAY else pod
        name = next((name for name in self._proxies if name.startswith(short)), None)
        if name is not None and name not in self._configs:
            self._configs[name] = self._index.for_proxy(self._proxies[name])
        return self._configs.get(name)

    def address(self, *, through=""):
        return ADDRESS

    def answer(self, name):
        return self._answers.get(name)

    def until_rolled_out(self, name, namespace="", *, is_coming=False):
        return 0.0

    def unsettled(self):
        return 0.0

    def until_live(self):
        return ""

    # Requests

    def send(self, path, *, count=1, user="", headers=None, through=""):
        replies = self._outside(path, user=user, headers=headers, through=through, weight=count)
        rows = [reply for reply, number in allotted(replies, count) for _ in range(number)]
        return traffic.frame([sent(reply) for reply in rows])

    def fetch(self, path, *, user="", headers=None, through=""):
        reply = max(self._outside(path, user=user, headers=headers, through=through), key=lambda r: r[0])[1]
        where = {"location": reply.location} if reply.location else {}
        return fetching.Answer(status=reply.status, text=reply.text, headers=where)

    def curl(self, url, *options):
        host, _, path = url.removeprefix("http://").partition("/")
        pairs = [option.partition(": ") for option in options if ": " in option]
        headers = {name: value for name, _, value in pairs}
        if "-X" in options:
            headers[":method"] = options[options.index("-X") + 1]
        reply = max(self._call("curl", host, f"/{path}", headers, 1), key=lambda r: r[0])[1]
        error = "" if reply.status else "curl: (7) could not connect"
        return inside.Answer(status=reply.status, seconds=reply.seconds, body=reply.text, error=error)

    def load(self, url, *, connections, count):
        host, _, path = url.removeprefix("http://").partition("/")
        replies = self._call("fortio", host, f"/{path}", {}, count)
        hop = decisions.of(self, Ask(proxy="fortio", host=host, path=f"/{path}"))
        failing = refused(hop.targets[0].cluster, connections) if hop and hop.targets else 0.0
        counts = Counter()
        for reply, number in allotted(replies, count):
            counts[reply.status] += number
        if hop and hop.targets and ejects(hop.targets[0]):
            counts = Counter({200: count})
        if failing:
            counts[503] += round(counts[200] * failing)
            counts[200] = count - counts[503]
        return inside.Counts(by_status=dict(counts))

    def logged(self, name, text):
        return round(sum(number for (pod, line), number in self._logs.items() if pod == name and text in line))

    def _outside(self, path, *, user, headers, through, weight=1):
        own = {"user-agent": "labkit", **({"cookie": f"session={user}"} if user else {})}
        own |= {name.lower(): value for name, value in (headers or {}).items() if name != "Host"}
        proxy = f"{through}-istio" if through else GATEWAY
        return self._call(proxy, (headers or {}).get("Host", ADDRESS), path, own, weight)

    def _call(self, proxy, host, path, headers, weight):
        """(probability, reply) of a request that this proxy decides about."""
        config = self.config(proxy)
        if config is None:
            return [(1.0, Reply(status=0))]
        is_gateway = proxy.startswith("istio-") or proxy.endswith("-istio")
        if is_gateway:
            refusal = self._guards.at_gateway(proxy, path, headers)
            if refusal is not None:
                return [(1.0, Reply(status=refusal[0], text=refusal[1]))]
        claims = self._guards.claims(proxy, headers) if is_gateway else {}
        ask = Ask(proxy=proxy, host=host, path=path, headers=headers, claims=claims)
        decision = decisions.decide(config, ask)
        if not decision.explanation.listener:
            return [(1.0, Reply(status=0))]
        if outside.is_unknown(decision):
            return [(1.0, Reply(status=200 if "allow_any" in decision.virtual_host["name"] else 502))]
        if decision.explanation.index < 0:
            return [(1.0, Reply(status=404))]
        if decision.virtual_host.get("require_tls") == "ALL":
            return [(1.0, Reply(status=301, location="https"))]
        if own := decision.explanation.answer:
            if own == outside.CLOSED:
                return [(1.0, Reply(status=0))]
            moved = own.startswith("redirect")
            return [(1.0, Reply(status=301 if moved else int(own), location="/elsewhere" if moved else ""))]
        return list(self._routed(decision, headers, weight))

    def _routed(self, decision, headers, weight):
        delay, delayed = policies.delay(decision)
        aborted = way.fault_percent(decision, "abort") / 100
        status = int((decision.fault.get("abort") or {}).get("http_status", 503))
        mesh = objects.read(self)
        for mirror in decision.mirrors:
            for version, percent in decisions.versions([mirror], mesh).items():
                if version in ("v2", "v3"):
                    self._logs["ratings-v1", "GET /ratings/0"] += weight * percent / 100
        if aborted:
            yield aborted, Reply(status=status, seconds=delay)
        for target in decision.targets:
            share = (1 - aborted) * target.percent / 100
            if not target.exists or not target.endpoints:
                yield share, Reply(status=503, text="no healthy upstream")
                continue
            for endpoint in target.endpoints:
                part = share / len(target.endpoints)
                for chance, reply in self._tried(decision, endpoint, headers, weight * part, mesh):
                    late = replace(reply, seconds=reply.seconds + delay)
                    if delayed:
                        yield part * chance * delayed / 100, late
                    if delayed < 100:
                        yield part * chance * (1 - delayed / 100), reply

    def _tried(self, decision, endpoint, headers, weight, mesh):
        """With the timeout and the retries of the route."""
        limit, each = policies.timeout(decision), policies.per_try(decision)
        words, most = policies.retries_on(decision), policies.attempts(decision)
        path = rewritten(decision, decision.ask.path)
        pod = mesh.pod_at(endpoint)
        port = int(endpoint.rpartition(":")[2])
        refusal = self._guards.at_pod(pod, decision.ask.proxy, port, path, headers) if pod else None
        if refusal is not None:
            yield 1.0, Reply(status=refusal[0], text=refusal[1])
            return
        for chance, answered in self._app(mesh.pod_at(endpoint), endpoint, path, headers, weight):
            tries = 1
            reply = Reply(status=504, seconds=each) if each and answered.seconds > each else answered
            if is_retriable(reply.status, words):
                tries += most
            for _ in range(tries - 1):
                list(self._app(mesh.pod_at(endpoint), endpoint, path, headers, weight))
            seconds = reply.seconds * tries
            yield (
                chance,
                Reply(status=504, seconds=limit) if limit and seconds > limit else replace(reply, seconds=seconds),
            )

    def _app(self, pod, endpoint, path, headers, weight):
        labels = resources.labels_of(pod or {})
        app, version = labels.get("app", ""), labels.get("version", "")
        if (
            pod is None
            or not endpoint.endswith((":9080", ":8080", ":80"))
            or (app == "weather" and ":9080" not in endpoint)
        ):
            return [(1.0, Reply(status=503, text="connection refused"))]
        if app == "productpage":
            return self._productpage(path, headers, weight)
        if app == "reviews":
            return self._reviews(path, headers, version, weight)
        if app == "details":
            return [(1.0, Reply(status=200 if path.startswith("/details/") else 404))]
        if app == "ratings":
            self._logs["ratings-v1", f"GET {path}"] += weight
            good = Reply(status=200, version=version)
            return [(0.5, good), (0.5, Reply(status=503))] if version == "faulty" else [(1.0, good)]
        if app in ("httpbin", "billing", "weather"):
            self._logs["httpbin", path] += weight
            word, _, number = path.strip("/").partition("/")
            status = int(number) if word == "status" else 200 if word in ("get", "delay", "anything") else 404
            return [(1.0, Reply(status=status, seconds=float(number) if word == "delay" else 0.0))]
        return [(1.0, Reply(status=404))]

    def _productpage(self, path, headers, weight):
        plain = path.partition("?")[0]
        if plain == "/api/v1/products/0":
            return self._call("productpage", "details:9080", "/details/0", {}, weight)
        if plain not in ("/productpage", flows.REVIEWS):
            return [(1.0, Reply(status=200 if plain in ("/", "/api/v1/products") else 404))]
        user = headers.get("cookie", "").removeprefix("session=")
        handed = {"user-agent": headers.get("user-agent", ""), **({"end-user": user} if user else {})}
        replies = self._call("productpage", "reviews:9080", "/reviews/0", handed, weight)
        if plain == "/productpage":
            return [(chance, replace(reply, status=200)) for chance, reply in replies]
        gone = Reply(status=500, seconds=2 * GIVES_UP)
        return [(chance, gone if reply.seconds > GIVES_UP else reply) for chance, reply in replies]

    def _reviews(self, path, headers, version, weight):
        if not path.startswith("/reviews/"):
            return [(1.0, Reply(status=404, version=version))]
        text = f'{{"id": "0", "podname": "reviews-{version}-5f4d-x7k2p", "reviews": []'
        if version == "v1":
            return [(1.0, Reply(status=200, version=version, text=f"{text}}}"))]
        replies = self._call(f"reviews-{version}", "ratings:9080", "/ratings/0", headers, weight)
        return [(chance, self._rated(reply, text, version)) for chance, reply in replies]

    @staticmethod
    def _rated(reply, text, version):
        stars = "stars" if reply.status == 200 else "Ratings service is currently unavailable"
        return Reply(status=200, version=version, seconds=reply.seconds, text=f"{text}, {stars}}}")


def group(obj):
    return obj["apiVersion"].rpartition("/")[0]


def rewritten(decision, path):
    action, match = decision.action, decision.route.get("match") or {}
    if "prefix_rewrite" in action:
        begin = match.get("path") or match.get("prefix") or match.get("path_separated_prefix") or "/"
        return action["prefix_rewrite"] + path.removeprefix(begin)
    return action["regex_rewrite"]["substitution"] if "regex_rewrite" in action else path


def is_retriable(status, words):
    many = {"5xx": status >= 500, "gateway-error": status in (502, 503, 504)}
    return str(status) in words or any(fits and word in words for word, fits in many.items())


def ejects(target):
    """Whether a pod that fails every other request is taken out."""
    watched = breakers.outliers(target)
    if watched is None or 1 not in (watched.get("consecutive_5xx", 5), watched.get("consecutive_gateway_failure", 0)):
        return False
    if breakers.panic_percent(target) > 100 * (len(target.endpoints) - 1) / len(target.endpoints):
        return False
    return watched.get("max_ejection_percent", breakers.EJECTED_AT_MOST) * len(target.endpoints) >= 100


def refused(cluster, connections):
    """The part of a load that a limit of connections and of waiting requests refuses."""
    limits = ((cluster.get("circuit_breakers") or {}).get("thresholds") or [{}])[0]
    room = limits.get("max_connections", 2**31) + limits.get("max_pending_requests", 2**31)
    return max(0.0, 1 - room / connections)


def allotted(replies, count):
    """Whole numbers of requests, as near to the probabilities as they get."""
    merged = Counter()
    for chance, reply in replies:
        merged[reply] += chance
    ordered = sorted(merged.items(), key=lambda item: -item[1])
    numbers = [round(chance * count) for _, chance in ordered]
    numbers[0] += count - sum(numbers)
    return [(reply, number) for (reply, _), number in zip(ordered, numbers, strict=True)]


def sent(reply):
    failed = "" if reply.status == 200 else reply.text
    return traffic.Sent(
        time=0.0,
        status=reply.status,
        latency_ms=reply.seconds * 1000,
        version=reply.version if reply.status == 200 else "",
        pod="",
        bytes_received=0,
        error=failed,
    )
