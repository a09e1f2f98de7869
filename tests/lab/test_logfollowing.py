"""Following access logs: each line once, also when a second holds several, and those of pods that come later."""

from urllib.parse import parse_qs, urlparse

from labkit.lab import logfollowing
from labkit.telemetry import workloads

LINE = (
    '[2026-11-30T12:00:00.000Z] "GET {path} HTTP/1.1" 200 - via_upstream - "-" 0 9 12 9 "-" "curl/8" '
    '"id" "reviews:9080" "127.66.0.4:9080" outbound|9080||reviews.default.svc.cluster.local - - - - default'
)


class Pods:
    """A cluster whose proxies' logs grow; the API answers whole seconds, as Kubernetes' does."""

    def __init__(self) -> None:
        self.logs: dict[str, list[tuple[str, str]]] = {}
        self.asked: list[dict[str, list[str]]] = []

    def write(self, pod: str, at: str, path: str) -> None:
        self.logs.setdefault(pod, []).append((f"2026-11-30T12:00:{at}Z", LINE.format(path=path)))

    def raw(self, _: str, url: str):
        query = parse_qs(urlparse(url).query)
        self.asked.append(query)
        since = query.get("sinceTime", [""])[0].rstrip("Z")
        lines = [f"{at} {line}" for at, line in self.logs[url.split("/pods/")[1].split("/")[0]] if at >= since]
        lines = lines[-int(query["tailLines"][0]) :] if "tailLines" in query else lines
        return 200, [], "\n".join(lines).encode()

    def proxies(self) -> list[workloads.Workload]:
        empty = {"app": "", "version": "", "ready": 2, "containers": 2, "phase": "Running", "ip": "127.1.1.1"}
        return [workloads.Workload(name=pod, namespace="default", has_proxy=True, **empty) for pod in self.logs]


def paths(follower: logfollowing.LogFollower) -> list[str]:
    return [step.line.path for step in follower.read()]


def test_each_line_is_told_once():
    pods = Pods()
    follower = logfollowing.LogFollower(pods, pods.proxies, last=5)
    pods.write("a", "01.100000000", "/1")
    assert (paths(follower), paths(follower)) == (["/1"], [])
    pods.write("a", "01.100000001", "/2")
    pods.write("a", "02.000000000", "/3")
    assert (paths(follower), paths(follower)) == (["/2", "/3"], [])


def test_it_begins_with_the_newest_lines_and_then_asks_for_what_is_new():
    pods = Pods()
    pods.write("a", "01.500000000", "/1")
    follower = logfollowing.LogFollower(pods, pods.proxies, last=7)
    follower.read()
    follower.read()
    assert [query.get("tailLines") for query in pods.asked] == [["7"], None]
    assert pods.asked[1]["sinceTime"] == ["2026-11-30T12:00:01Z"]


def test_without_old_lines_only_new_ones_are_told():
    pods = Pods()
    pods.write("a", "01.000000000", "/old")
    follower = logfollowing.LogFollower(pods, pods.proxies, last=0)
    assert paths(follower) == []
    pods.write("a", "01.500000000", "/new")
    assert paths(follower) == ["/new"]


def test_all_first_lines_of_a_silent_proxy_are_told():
    pods = Pods()
    pods.logs["a"] = []
    follower = logfollowing.LogFollower(pods, pods.proxies, last=1)
    assert paths(follower) == []
    for n in range(3):
        pods.write("a", f"0{n}.000000000", f"/{n}")
    assert paths(follower) == ["/0", "/1", "/2"]


def test_a_pod_that_comes_later_is_followed_too():
    pods = Pods()
    pods.write("a", "01.000000000", "/1")
    follower = logfollowing.LogFollower(pods, pods.proxies, last=5)
    follower.read()
    pods.write("b", "02.000000000", "/2")
    assert [path for _ in range(logfollowing.RARELY) for path in paths(follower)] == ["/2"]
