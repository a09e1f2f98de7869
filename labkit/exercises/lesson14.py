"""Lesson 14, rate limits and quotas: what a proxy and the rate limit service were told, and what follows from it."""

from collections.abc import Mapping
from typing import Any

from labkit.exercises import limit_files, verdict
from labkit.exercises.diagnosis import cause, limits, objects
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.evidence import GATEWAY, Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.limits_written import asking, envoy_filter, limit, limits_file, local
from labkit.exercises.verdict import Verdict
from labkit.mesh.model import Config

RATINGS, PORT = "ratings", 9080
MOST, PER = 10, 60.0
PATIENCE = 0.1
"""Seconds that a request may wait for the rate limit service."""

DEFAULT_TIMEOUT = 0.02
"""Envoy's own, where a filter names none."""

QUICKEST = 0.002
"""Seconds below which no service on another address has answered."""

GRPC = 8081
"""The port at which the rate limit service is asked."""

PROBE = 'lab.limits("ratings")'


def ratings_protected(evidence: Evidence) -> Verdict:
    """Whether every pod of ratings lets ten requests a minute pass."""
    expected = "the sidecars of ratings enforce 10 per 60 s"
    config = evidence.config(RATINGS)
    if config is None:
        return verdict.because(expected, "ratings has no sidecar", [cause.shown("no pod of ratings has an Envoy")])
    filters = limits.inbound(config, PORT)
    if not filters:
        told = limits.silent(
            evidence, app=RATINGS, namespace=evidence.namespace, context="SIDECAR_INBOUND", kind="local_ratelimit",
            port=PORT,
        )  # fmt: skip
        if limits.outbound(config):
            told.insert(0, cause.shown("the filter stands where ratings sends, and limits nothing that comes in"))
        nothing = cause.undecided("no EnvoyFilter brings envoy.filters.http.local_ratelimit to ratings")
        return verdict.because(expected, "no limit where requests to ratings come in", [*told, nothing])
    if len(filters) > 1:
        many = cause.shown(f"{len(filters)} such filters stand in one chain, and a request needs a token of each")
        return verdict.because(expected, f"{len(filters)} limits", [many])
    causes = list(_wrong_limit(filters[0]))
    bucket = filters[0].bucket
    observed = f"{bucket[0]} at once, {bucket[1]} back every {bucket[2]:g} s" if bucket else "a filter without a bucket"
    page = evidence.config("productpage")
    if not causes and page is not None and limits.inbound(page, PORT):
        causes = [cause.shown(f"productpage has the same limit: {_wide(evidence)}")]
    return verdict.because(expected, observed, causes) if causes else verdict.passed(expected, observed)


def _wide(evidence: Evidence) -> str:
    """Which EnvoyFilter is for more workloads than ratings."""
    for obj in limits.filters_of(evidence):
        if "local_ratelimit" in str(obj) and not objects.spec_of(obj).get("workloadSelector"):
            return f"{limits.title(obj)} has no workloadSelector, so it is for every workload of its namespace"
    return "an EnvoyFilter selects its pods too"


def _wrong_limit(limit: limits.Filter) -> list[Cause]:
    if limit.is_behind_router:
        return [cause.shown("the filter stands behind envoy.filters.http.router, which ends the chain")]
    if limit.bucket is None:
        return [cause.shown("the filter has no token_bucket, so it limits nothing")]
    most, fill, interval = limit.bucket
    for field, word in (("filter_enabled", "looks at"), ("filter_enforced", "refuses")):
        if (share := limit.share(field)) < 100:
            return [cause.shown(f"{field} is {share:g} %, so that it {word} that share only; Envoy reads none as 0 %")]
    if most != MOST:
        return [cause.shown(f"max_tokens is {most}: that many pass at once")]
    if abs(fill * PER / interval - MOST) > 1e-6 if interval else True:
        each = fill * PER / interval if interval else 0
        tokens = "1 token" if fill == 1 else f"{fill} tokens"
        return [cause.shown(f"{tokens} every {interval:g} s are {each:g} a minute, not {MOST}")]
    return []


def tenants(evidence: Evidence) -> Verdict:
    """Whether the file gives gold 30 a minute, every other tenant 5, and the path what it had."""
    expected = "gold 30 a minute, any other tenant 5, /productpage 10"
    read = limit_files.read(evidence)
    if read.causes:
        return verdict.because(expected, read.observed, read.causes)
    asked: Mapping[str, tuple[str, str, int]] = {
        "gold": ("tenant", "gold", 30),
        "blue, as any other tenant,": ("tenant", "blue", 5),
        "/productpage": ("path", "/productpage", 10),
    }
    for name, (key, value, most) in asked.items():
        if causes := read.wrong(name, key, value, per_minute=most):
            return verdict.because(expected, read.observed, causes)
    return verdict.passed(expected, read.observed)


def passes_without_the_service(evidence: Evidence) -> Verdict:
    """Whether the gateway still asks the service, soon gives up, and lets requests pass then."""
    expected = "the gateway asks the service, waits at most 0.1 s, and lets requests pass when nobody answers"
    config = evidence.config(GATEWAY)
    filters = limits.of_gateway(config) if config is not None else []
    if not filters:
        told = limits.silent(
            evidence, app="ingressgateway", namespace=limits.ROOT, context="GATEWAY", kind=limits.GLOBAL_TYPE
        )
        gone = cause.undecided("the filter is gone from the gateway: nothing is limited any more")
        return verdict.because(expected, "no global limit at the gateway", [*told, gone])
    asks = filters[0].config
    timeout = asks.get("timeout")
    seconds = float(str(timeout).removesuffix("s")) if timeout else DEFAULT_TIMEOUT
    denies = bool(asks.get("failure_mode_deny"))
    observed = f"it waits {seconds:g} s, and then {'refuses' if denies else 'lets pass'}"
    if denies:
        return verdict.because(expected, observed, _still_denies(evidence))
    if timeout and not seconds:
        return verdict.because(expected, "it waits for ever", [cause.shown("timeout is 0s, which means no limit")])
    if seconds < QUICKEST:
        why = cause.shown(
            f"timeout is {seconds:g} s: the service cannot answer so soon, so nothing is limited any more"
        )
        return verdict.because(expected, observed, [why])
    if seconds > PATIENCE:
        return verdict.because(
            expected, observed, [cause.shown(f"timeout is {seconds:g} s: so long each request waits")]
        )
    if asks.get("domain") != "bookinfo":
        other = cause.shown(f"domain is {asks.get('domain')}, and the service's file has bookinfo: nothing is limited")
        return verdict.because(expected, observed, [other])
    if filters[0].config.get("filter_enabled") and filters[0].share("filter_enabled") < 100:
        part = cause.shown(
            f"filter_enabled is {filters[0].share('filter_enabled'):g} %: no more requests are asked about"
        )
        return verdict.because(expected, observed, [part])
    if strange := _strange_service(asks, config):
        return verdict.because(expected, observed, [cause.shown(strange)])
    return verdict.passed(expected, observed)


def _strange_service(asks: Mapping[str, Any], config: Config | None) -> str:
    """Where the filter asks, if that is no cluster of the proxy or another port than that of the limits."""
    grpc = ((asks.get("rate_limit_service") or {}).get("grpc_service") or {}).get("envoy_grpc") or {}
    name = str(grpc.get("cluster_name", ""))
    if config is not None and name not in config.clusters:
        near = objects.did_you_mean(name, config.clusters)
        return f"cluster_name is {name}, and the gateway has no such cluster{near}: nobody is asked"
    if name.split("|")[1:2] != [str(GRPC)]:
        return f"cluster_name is {name}, and the service answers such questions at port {GRPC}"
    return ""


def _still_denies(evidence: Evidence) -> list[Cause]:
    for obj in limits.filters_of(evidence):
        merges = [p["patch"] for p in limits.patches_of(obj) if p["patch"].get("operation") == "MERGE"]
        if any("failure_mode_deny" in str(patch) for patch in merges):
            why = "MERGE with failure_mode_deny: false changes nothing: false is what a field says that is not there"
            return [cause.shown(f"{limits.title(obj)}: {why}")]
    return [cause.shown("failure_mode_deny is true: without an answer of the service every request gets 500")]


def share_of_a_pod(evidence: Evidence) -> Verdict:
    """Whether the filed number is ten."""
    return verdict.number(
        evidence.answer("14-4"),
        10,
        what="requests a minute that each pod may admit",
        shows="four buckets of ten are forty, if the load is spread evenly",
        causes={
            40: "each of the four pods has a bucket of its own: 4 × 40 = 160 would pass",
            160: "that is what passes if each pod admits 40",
            4: "that is the number of pods",
            50: "the gateway's proxy keeps no bucket here: the limit is where requests come in, at four pods",
            8: "the gateway's proxy keeps no bucket here: the limit is where requests come in, at four pods",
        },
        other="four pods, each with a bucket of its own, admit 40 together: how many is that for one?",
    )


PATH, GOLD, OTHERS = limit("path", 10, value="/productpage"), limit("tenant", 30, value="gold"), limit("tenant", 5)
SERVICE = ("ratelimit.yaml", "limit-global.yaml")

EXERCISES = (
    Exercise(
        id="14-1",
        task="Protect ratings: let each of its pods admit ten requests a minute and refuse the rest.",
        done_when="the sidecars of ratings let ten requests pass, and ten come back every minute",
        check=ratings_protected,
        hints=(
            "manifests/limit-productpage.yaml sets such a limit for productpage.",
            "workloadSelector chooses the pods, token_bucket sets the number; choose any stat_prefix.",
            "app: ratings, max_tokens: 10, tokens_per_fill: 10, fill_interval: 60s, and both percentages 100.",
        ),
        solution=local(),
        right=(
            Right(how="one every six seconds", yaml=local(bucket={"max_tokens": 10, "fill_interval": "6s"})),
            Right(how="from the root namespace", yaml=local(namespace="istio-system")),
            Right(
                how="first of all filters, on its port",
                yaml=local(operation="INSERT_FIRST", listener={"portNumber": 9080}),
            ),
        ),
        wrong=(
            Wrong(
                why="a misspelt label",
                yaml=local(labels={"app": "ratngs"}),
                says="that is no pod; did you mean ratings?",
            ),
            Wrong(
                why="what ratings sends",
                yaml=local(context="SIDECAR_OUTBOUND"),
                says="the filter stands where ratings sends",
            ),
            Wrong(
                why="counted, not enforced",
                yaml=local(filter_enforced={"default_value": {"numerator": 0}}),
                says="filter_enforced is 0 %",
            ),
            Wrong(why="not enabled", yaml=local(filter_enabled=None), says="filter_enabled is 0 %"),
            Wrong(
                why="ten a second",
                yaml=local(bucket={"max_tokens": 10, "tokens_per_fill": 10, "fill_interval": "1s"}),
                says="10 tokens every 1 s are 600 a minute, not 10",
            ),
            Wrong(
                why="a bigger bucket",
                yaml=local(bucket={"max_tokens": 100, "tokens_per_fill": 10, "fill_interval": "60s"}),
                says="max_tokens is 100: that many pass at once",
            ),
            Wrong(why="another namespace", yaml=local(namespace="legacy"), says="is in namespace legacy"),
            Wrong(
                why="the Service's port",
                yaml=local(listener={"portNumber": 80}),
                says="means port 80, and the pods listen on 9080",
            ),
            Wrong(why="for productpage", yaml=local(labels={"app": "productpage"}), says="that is other workloads"),
            Wrong(why="at the gateway", yaml=local(context="GATEWAY"), says="has context GATEWAY, and SIDECAR_INBOUND"),
        ),
    ),
    Exercise(
        id="14-2",
        task="Give the tenant gold 30 requests a minute and every other tenant 5, and leave /productpage at 10.",
        done_when="the service's file says so, and the service can read it",
        check=tenants,
        given=SERVICE,
        hints=(
            "The limits are in ConfigMap ratelimit-config, under the key config.yaml.",
            "A descriptor with a value limits that value alone; one without a value limits each other value.",
            "Take the ConfigMap in manifests/ratelimit.yaml, change 20 to 30 and 3 to 5, and apply all of it.",
        ),
        solution=limits_file(PATH, GOLD, OTHERS),
        right=(
            Right(how="in another order", yaml=limits_file(OTHERS, GOLD, PATH)),
            Right(
                how="with what was there", yaml=limits_file(PATH, GOLD, OTHERS, limit("tenant-day", 1000, unit="day"))
            ),
        ),
        wrong=(
            Wrong(
                why="only gold",
                yaml=limits_file(PATH, GOLD),
                says="no descriptor fits tenant=blue, so nothing limits it",
            ),
            Wrong(
                why="a capital letter",
                yaml=limits_file(PATH, limit("tenant", 30, value="Gold"), OTHERS),
                says="gold has 5 a minute, by bookinfo.tenant; did you mean Gold? Values are compared letter by letter",
            ),
            Wrong(
                why="a second",
                yaml=limits_file(PATH, limit("tenant", 30, value="gold", unit="second"), OTHERS),
                says="gold has 30 a second, by bookinfo.tenant_gold",
            ),
            Wrong(
                why="another domain",
                yaml=limits_file(PATH, GOLD, OTHERS, domain="shop"),
                says="the gateway asks for domain bookinfo, and the file has shop: what is unknown is not limited",
            ),
            Wrong(
                why="a unit that there is not",
                yaml=limits_file(PATH, limit("tenant", 30, value="gold", unit="minutes"), OTHERS),
                says="the service keeps its last good file: config.yaml: invalid rate limit unit 'minutes'",
            ),
            Wrong(why="without the path", yaml=limits_file(GOLD, OTHERS), says="no descriptor fits path=/productpage"),
            Wrong(
                why="a misspelt key",
                yaml=limits_file(PATH, GOLD, limit("tennant", 5)),
                says="no descriptor fits tenant=blue, so nothing limits it; did you mean tennant?",
            ),
            Wrong(
                why="twice the same",
                yaml=limits_file(PATH, GOLD, OTHERS, OTHERS),
                says="duplicate descriptor composite key 'bookinfo.tenant'",
            ),
        ),
    ),
    Exercise(
        id="14-3",
        task="Keep the shop open when the rate limit service is gone, and never wait longer than 0.1 s for it.",
        done_when="the gateway asks the service, gives up after 0.1 s or sooner, and lets requests pass then",
        check=passes_without_the_service,
        given=SERVICE,
        hints=(
            "The filter in EnvoyFilter limit-global decides what happens without an answer.",
            "failure_mode_deny decides, and its default is false. timeout limits the wait.",
            "In manifests/limit-global.yaml, remove failure_mode_deny and set timeout: 0.1s. Apply the whole file.",
        ),
        solution=asking(timeout="0.1s"),
        right=(
            Right(how="said in words", yaml=asking(failure_mode_deny=False, timeout="0.050s")),
            Right(how="with Envoy's own timeout", yaml=asking()),
        ),
        wrong=(
            Wrong(
                why="quick, but closed",
                yaml=asking(failure_mode_deny=True, timeout="0.05s"),
                says="failure_mode_deny is true: without an answer of the service every request gets 500",
            ),
            Wrong(why="open, but patient", yaml=asking(timeout="10s"), says="timeout is 10 s"),
            Wrong(
                why="false merged into true",
                yaml=asking(
                    name="open", operation="MERGE", inner=limits.GLOBAL, failure_mode_deny=False, timeout="0.1s"
                ),
                says="MERGE with failure_mode_deny: false changes nothing",
            ),
            Wrong(
                why="no filter at all",
                yaml=envoy_filter("limit-global", "istio-system", {"istio": "ingressgateway"}),
                says="the filter is gone from the gateway",
            ),
            Wrong(
                why="another domain",
                yaml=asking(domain="shop", timeout="0.1s"),
                says="domain is shop, and the service's file has bookinfo",
            ),
            Wrong(
                why="beside a filter that there is not",
                yaml=asking(inner="envoy.filters.http.routr", timeout="0.1s"),
                says="inserts beside envoy.filters.http.routr, and the proxy has no filter of that name",
            ),
        ),
    ),
    Exercise(
        id="14-4",
        task="productpage gets four pods, and no more than 40 requests a minute may pass in all, by local limits. "
        "How many may each pod admit?",
        done_when="the number you filed is right",
        check=share_of_a_pod,
        hints=(
            "Who keeps the bucket of a local limit?",
            "Every proxy has one of its own.",
            "Divide 40 by four.",
        ),
        answer=10,
        right=(Right(how="in words", answer="ten"),),
        wrong=(
            Wrong(why="the whole", answer=40, says="4 × 40 = 160 would pass"),
            Wrong(why="what would pass", answer=160, says="that is what passes if each pod admits 40"),
            Wrong(why="the pods", answer=4, says="that is the number of pods"),
            Wrong(why="with the gateway", answer=8, says="the gateway's proxy keeps no bucket here"),
        ),
    ),
)
