"""Lesson 15, metrics: questions to Prometheus, each filed as a query."""

from labkit.exercises import queries, verdict
from labkit.exercises.evidence import Evidence
from labkit.exercises.exercise import Exercise, Right, Wrong
from labkit.exercises.queries import Pitfall
from labkit.exercises.verdict import Verdict

TO_REVIEWS = 'destination_service_name="reviews"'
TO_RATINGS = 'destination_service_name="ratings"'
TOOK = "istio_request_duration_milliseconds"

BY_VERSION = f'sum by (destination_version) (rate(istio_requests_total{{reporter="destination",{TO_REVIEWS}}}[1m]))'
FAILING = (
    f'sum(rate(istio_requests_total{{reporter="source",{TO_RATINGS},response_code=~"5.."}}[1m]))\n'
    f'  / sum(rate(istio_requests_total{{reporter="source",{TO_RATINGS}}}[1m]))'
)
P95 = f'histogram_quantile(0.95, sum by (le) (rate({TOOK}_bucket{{reporter="destination",{TO_REVIEWS}}}[1m])))'

TWICE = 'each request is counted twice, by the proxy of who sends it and of who gets it: choose one with reporter="…"'


def _rates(selector: str, by: str = "destination_version") -> str:
    return f"sum by ({by}) (rate(istio_requests_total{{{selector}}}[1m]))"


VERSION_PITFALLS = (
    Pitfall(query=_rates(TO_REVIEWS), says=TWICE),
    Pitfall(
        query=_rates(f'reporter="source",{TO_REVIEWS}'),
        says='reporter="source" counts what callers send: some of it never came to reviews',
    ),
    Pitfall(
        query=f'sum by (destination_version) (istio_requests_total{{reporter="destination",{TO_REVIEWS}}})',
        says="these are totals since the proxies began: rate(…[1m]) makes them requests per second",
    ),
    Pitfall(
        query=_rates(f'reporter="destination",{TO_REVIEWS}').replace("rate(", "increase("),
        says="increase counts a whole window: requests per second are rate",
    ),
    Pitfall(
        query=_rates(f'reporter="destination",{TO_REVIEWS}').replace("sum", "count", 1),
        says="count by version is how many series there are: sum adds their rates up",
    ),
    Pitfall(
        query=_rates(f'reporter="destination",{TO_REVIEWS},response_code="200"'),
        says='response_code="200" leaves out requests that reviews gets and answers otherwise',
    ),
    *(
        Pitfall(
            query=_rates(f'reporter="destination",{TO_REVIEWS}').replace("[1m]", f"[{window}]"),
            says=f"this is the mean over {window}, and the last minute is asked for: [1m]",
        )
        for window in ("2m", "5m", "10m", "15m", "30m", "1h")
    ),
    Pitfall(
        query=_rates(f'reporter="destination",{TO_REVIEWS}', by=""),
        says="it is one number for all versions: sum by (destination_version) keeps them apart",
    ),
    Pitfall(
        query=_rates('reporter="destination"'),
        says='every service is counted, not reviews alone: destination_service_name="reviews" is missing',
    ),
    Pitfall(
        query=_rates(f'reporter="destination",{TO_REVIEWS}').replace("sum by", "avg by"),
        says="avg is the mean of a version's series, such as its codes: sum adds them up",
    ),
    Pitfall(
        query=_rates(f'reporter="destination",{TO_REVIEWS}', by="destination_version, response_code"),
        says="a version has a row for each of its codes: sum by (destination_version) alone adds them up",
    ),
    Pitfall(
        query='sum by (source_version) (rate(istio_requests_total{reporter="destination",source_app="reviews"}[1m]))',
        says="these are requests that reviews sends: source_… is the caller, destination_… who is called",
    ),
    Pitfall(
        query='sum by (source_workload) (rate(istio_requests_total{reporter="destination",source_app="reviews"}[1m]))',
        says="these are requests that reviews sends: source_… is the caller, destination_… who is called",
    ),
)


def by_version(evidence: Evidence) -> Verdict:
    """Whether the query counts what each version of reviews receives."""
    what = "requests per second to each version of reviews"
    return queries.judge(evidence.answer("15-1"), BY_VERSION, what=what, pitfalls=VERSION_PITFALLS)


def _share(reporter: str, codes: str = '=~"5.."', to: str = TO_RATINGS) -> str:
    base = ",".join(filter(None, (reporter and f'reporter="{reporter}"', to)))
    part = f"sum(rate(istio_requests_total{{{base},response_code{codes}}}[1m]))"
    return f"{part} / sum(rate(istio_requests_total{{{base}}}[1m]))"


_CALLERS = f'reporter="source",{TO_RATINGS}'
_FAILS = f'{_CALLERS},response_code=~"5.."'

SHARE_PITFALLS = (
    Pitfall(
        query=_share("destination"),
        says='reporter="destination" sees only what arrives: a request that never came to ratings is counted by its '
        "caller alone",
    ),
    Pitfall(query=_share(""), says=TWICE),
    Pitfall(
        query=_share("source", '!="200"'),
        says='a 404 is the caller\'s mistake and no 5xx: match response_code=~"5.."',
    ),
    Pitfall(
        query=f"sum(rate(istio_requests_total{{{_CALLERS}}}[1m])) / sum(rate(istio_requests_total{{{_FAILS}}}[1m]))",
        says="this divides all requests by the failed ones: turn it round",
    ),
    Pitfall(
        query=f"sum(rate(istio_requests_total{{{_FAILS}}}[1m])) / "
        'sum(rate(istio_requests_total{reporter="source"}[1m]))',
        says="the failures are those of ratings, and they are divided by the requests to every service",
    ),
    Pitfall(
        query=f"sum(rate(istio_requests_total{{{_FAILS}}}[1m])) / "
        f'sum(rate(istio_requests_total{{reporter="destination",{TO_RATINGS}}}[1m]))',
        says="the two sides are counted by different proxies: use one reporter on both",
    ),
    Pitfall(
        query=f"avg(rate(istio_requests_total{{{_FAILS}}}[1m])) / avg(rate(istio_requests_total{{{_CALLERS}}}[1m]))",
        says="avg divides each side by its number of series, which differ: sum both",
    ),
    Pitfall(
        query=f"sum by (source_workload) (rate(istio_requests_total{{{_FAILS}}}[1m])) / "
        f"sum by (source_workload) (rate(istio_requests_total{{{_CALLERS}}}[1m]))",
        says="this is a share for each caller that fails; one share for all needs sum without by",
    ),
    Pitfall(query=_share("source", '="503"'), says="only 503 is counted: 500 is a failure too, so match 5.."),
    Pitfall(query=_share("source", '="500"'), says="only 500 is counted: 503 is a failure too, so match 5.."),
    Pitfall(query=_share("source", '!~"5.."'), says="this is the share of requests that succeed"),
    Pitfall(query=_share("source", '="200"'), says="this is the share of requests that succeed"),
    Pitfall(
        query=_share("source", '=~"4..|5.."'), says="4xx is the caller's mistake: a status of 500 and above counts"
    ),
    Pitfall(
        query=f"sum(rate(istio_requests_total{{{_FAILS}}}[1m]))",
        says="this is how many fail each second: divide it by how many there are",
    ),
    Pitfall(
        query=f"rate(istio_requests_total{{{_FAILS}}}[1m]) / rate(istio_requests_total{{{_CALLERS}}}[1m])",
        says="an operator pairs series whose labels are equal, so each failing series is divided by itself: sum both "
        "sides first",
    ),
    Pitfall(
        query=f"sum(istio_requests_total{{{_FAILS}}}) / sum(istio_requests_total{{{_CALLERS}}})",
        says="these are totals since the proxies began: rate(…[1m]) looks at the last minute",
    ),
    Pitfall(query=_share("source", to=""), says="every service is counted, not ratings alone"),
    Pitfall(query=_share("source", to=TO_REVIEWS), says="this is reviews: its callers see other failures"),
)


def failing(evidence: Evidence) -> Verdict:
    """Whether the query gives the share of failures that callers of ratings see."""
    what = "the share of requests to ratings that fail for their callers"
    return queries.judge(evidence.answer("15-2"), FAILING, what=what, pitfalls=SHARE_PITFALLS, scale=(1.0, 100.0))


def _quantile(q: str, selector: str, by: str = "le") -> str:
    return f"histogram_quantile({q}, sum by ({by}) (rate({TOOK}_bucket{{{selector}}}[1m])))"


_RECEIVED = f'reporter="destination",{TO_REVIEWS}'

LATENCY_PITFALLS = (
    Pitfall(query=_quantile("95", _RECEIVED), says="a quantile is a part of one: 0.95, not 95"),
    Pitfall(query=_quantile("0.5", _RECEIVED), says="0.5 is the median: half of the requests take longer"),
    Pitfall(query=_quantile("0.99", _RECEIVED), says="0.99 is another quantile"),
    Pitfall(
        query=_quantile("0.95", _RECEIVED, by="le, destination_version"),
        says="it is a number for each version: sum by (le) alone puts all of reviews together",
    ),
    Pitfall(
        query=f"avg({_quantile('0.95', _RECEIVED, by='le, destination_version')})",
        says="an average of percentiles is no percentile: add the buckets up first, sum by (le)",
    ),
    Pitfall(
        query=f"histogram_quantile(0.95, sum by (le) ({TOOK}_bucket{{{_RECEIVED}}}))",
        says="the buckets count since the proxies began, so the old times hide the new: rate(…[1m])",
    ),
    Pitfall(
        query=f"sum(rate({TOOK}_sum{{{_RECEIVED}}}[1m])) / sum(rate({TOOK}_count{{{_RECEIVED}}}[1m]))",
        says="this is the mean: it does not say what the slow ones take",
    ),
    Pitfall(
        query=_quantile("0.95", f'reporter="source",{TO_REVIEWS}'),
        says='reporter="source" measures the way there and back too: what reviews takes is at reporter="destination"',
    ),
    Pitfall(query=_quantile("0.95", TO_REVIEWS), says=TWICE),
    Pitfall(query=_quantile("0.95", 'reporter="destination"'), says="every service is counted, not reviews alone"),
    Pitfall(query=_quantile("0.9", _RECEIVED), says="0.9 is another quantile: 95 of 100 are 0.95"),
    Pitfall(query=_quantile("0.05", _RECEIVED), says="0.05 is another quantile: 95 of 100 are 0.95"),
    Pitfall(
        query=f"{_quantile('0.95', _RECEIVED)} / 1000", says="this is in seconds: Istio's buckets are milliseconds"
    ),
    Pitfall(
        query=f"histogram_quantile(0.95, rate({TOOK}_bucket{{{_RECEIVED}}}[1m]))",
        says="it is a number for each series: sum by (le) puts all of reviews together",
    ),
)


def slow(evidence: Evidence) -> Verdict:
    """Whether the query gives the 95th percentile of the time that reviews takes."""
    what = "the 95th percentile of reviews, in milliseconds"
    seen = queries.judge(evidence.answer("15-3"), P95, what=what, pitfalls=LATENCY_PITFALLS)
    if not seen.passed and "your query gives nothing" in seen.observed:
        lost = "without le nothing tells the buckets apart: sum by (le)"
        hint = lost if f"{TOOK}_bucket" in str(evidence.answer("15-3")) else f"the buckets are those of {TOOK}_bucket"
        return verdict.not_yet(seen.expected, seen.observed, cause=hint)
    return seen


EXERCISES = (
    Exercise(
        id="15-1",
        task="File a query for the requests per second that each version of reviews gets, over the last minute.",
        done_when="the query counts each request once, at the receiver, and gives one number per version",
        check=by_version,
        hints=(
            "Begin with istio_requests_total and find the labels that name the service and the version.",
            'Choose reporter="destination" and destination_service_name="reviews"; a counter needs rate(…[1m]).',
            "sum by (destination_version) (rate(istio_requests_total{…}[1m])), with both labels between the braces.",
        ),
        answer=BY_VERSION,
        wrong=(
            Wrong(why="both reporters", answer=_rates(TO_REVIEWS), says="counted twice"),
            Wrong(
                why="five minutes",
                answer=BY_VERSION.replace("[1m]", "[5m]"),
                says="this is the mean over 5m, and the last",
            ),
            Wrong(
                why="without a sum",
                answer=f'rate(istio_requests_total{{reporter="destination",{TO_REVIEWS}}}[2m])',
                says="a row for each of its codes",
            ),
            Wrong(why="a mean", answer=BY_VERSION.replace("sum by", "avg by"), says="avg is the mean"),
            Wrong(
                why="the caller's view", answer=_rates(f'reporter="source",{TO_REVIEWS}'), says="never came to reviews"
            ),
            Wrong(
                why="totals",
                answer=f'sum by (destination_version) (istio_requests_total{{reporter="destination",{TO_REVIEWS}}})',
                says="totals since the proxies began",
            ),
            Wrong(
                why="one number",
                answer=f'sum(rate(istio_requests_total{{reporter="destination",{TO_REVIEWS}}}[5m]))',
                says="one number for all versions",
            ),
            Wrong(why="every service", answer=_rates('reporter="destination"'), says="every service is counted"),
            Wrong(
                why="increase", answer=BY_VERSION.replace("rate(", "increase("), says="increase counts a whole window"
            ),
            Wrong(why="a misspelt label", answer=_rates('destination_service="reviews"'), says="no series matches"),
            Wrong(why="no query", answer="sum by (version", says="Prometheus refuses it"),
            Wrong(why="a range", answer="istio_requests_total[1m]", says="whole ranges of samples"),
        ),
        right=(
            Right(how="by workload", answer=_rates(f'reporter="destination",{TO_REVIEWS}', by="destination_workload")),
            Right(how="irate", answer=BY_VERSION.replace("rate(", "irate(")),
            Right(how="increase over seconds", answer=BY_VERSION.replace("rate(", "increase(") + " / 60"),
        ),
    ),
    Exercise(
        id="15-2",
        task="File a query for the share of requests to ratings that fail with a 5xx, as its callers see it.",
        done_when="the query divides failures by all requests, both counted by the caller's proxy",
        check=failing,
        hints=(
            "A share is one rate divided by another. Who sees a request that never arrived?",
            'Use reporter="source" on both sides; response_code=~"5.." on the upper one; sum(…) around each.',
            'sum(rate(istio_requests_total{reporter="source",…,response_code=~"5.."}[1m])) / sum(rate(…[1m]))',
        ),
        answer=FAILING,
        wrong=(
            Wrong(why="the receiver's view", answer=_share("destination"), says="sees only what arrives"),
            Wrong(why="only 503", answer=_share("source", '="503"'), says="only 503 is counted"),
            Wrong(why="the good ones", answer=_share("source", '="200"'), says="the share of requests that succeed"),
            Wrong(
                why="a rate", answer=f"sum(rate(istio_requests_total{{{_FAILS}}}[1m]))", says="divide it by how many"
            ),
            Wrong(
                why="no sums",
                answer=f"rate(istio_requests_total{{{_FAILS}}}[1m]) / rate(istio_requests_total{{{_CALLERS}}}[1m])",
                says="each failing series is divided by itself",
            ),
            Wrong(why="an unanchored pattern", answer=_share("source", '=~"5"'), says="no series matches"),
            Wrong(why="both reporters", answer=_share(""), says="counted twice"),
        ),
        right=(
            Right(how="per cent", answer=f"100 * {FAILING}"),
            Right(how="one minus the good ones", answer="1 - " + _share("source", '!~"5.."')),
        ),
    ),
    Exercise(
        id="15-3",
        task="File a query for the time within which reviews answers 95 of 100 requests, all versions together.",
        done_when="the query gives the 95th percentile from the buckets of reviews' own proxies",
        check=slow,
        hints=(
            "A histogram's buckets end in _bucket, and histogram_quantile reads them.",
            "The buckets are counters, so take rate(…[1m]) of them and sum by le.",
            "histogram_quantile(0.95, sum by (le) (rate(istio_request_duration_milliseconds_bucket{…}[1m])))",
        ),
        answer=P95,
        wrong=(
            Wrong(why="95", answer=_quantile("95", _RECEIVED), says="0.95, not 95"),
            Wrong(why="the mean", answer=LATENCY_PITFALLS[6].query, says="this is the mean"),
            Wrong(why="no rate", answer=LATENCY_PITFALLS[5].query, says="the old times hide the new"),
            Wrong(
                why="by version",
                answer=_quantile("0.95", _RECEIVED, by="le, destination_version"),
                says="a number for each",
            ),
            Wrong(why="an average of percentiles", answer=LATENCY_PITFALLS[4].query, says="is no percentile"),
            Wrong(
                why="no le",
                answer=_quantile("0.95", _RECEIVED, by="destination_version"),
                says="tells the buckets apart",
            ),
            Wrong(why="the median", answer=_quantile("0.5", _RECEIVED), says="0.5 is the median"),
        ),
        right=(Right(how="another window", answer=P95.replace("[1m]", "[5m]")),),
    ),
)
