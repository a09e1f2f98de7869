"""Access logs of a lab as they grow: each look asks every proxy only for what it wrote since the look before."""

from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from urllib.parse import urlencode

from labkit.kube import client, status
from labkit.lab import doors
from labkit.telemetry import accesslogs, workloads

RARELY = 5
"""Of so many looks one asks which pods there are."""

Proxies = Callable[[], Sequence[workloads.Workload]]


class LogFollower:
    """The lines that the proxies of a cluster write, from the newest ``last`` of each on."""

    def __init__(self, api: client.Client, proxies: Proxies, *, last: int) -> None:
        self._api, self._proxies, self._last = api, proxies, last
        self._looks = 0
        self._pods: Sequence[workloads.Workload] = ()
        self._newest: dict[str, str] = {}
        """By pod that was asked: the time at which the kubelet took its newest line, empty while it has none."""

    def read(self) -> list[accesslogs.Step]:
        """The lines since the look before, in the order of their requests."""
        if self._looks % RARELY == 0:
            self._pods = list(self._proxies())
        self._looks += 1
        with futures.ThreadPoolExecutor(doors.TOGETHER) as pool:
            logs = dict(zip((pod.name for pod in self._pods), pool.map(self._log, self._pods), strict=True))
        return accesslogs.every(self._new(logs))

    def _new(self, logs: Mapping[str, str]) -> dict[str, str]:
        new = {}
        for pod, text in logs.items():
            is_first = pod not in self._newest
            lines = newer(text, self._newest.setdefault(pod, ""))
            if lines:
                self._newest[pod] = lines[-1].partition(" ")[0]
            shown = lines[max(0, len(lines) - self._last) :] if is_first else lines
            new[pod] = "\n".join(line.partition(" ")[2] for line in shown)
        return new

    def _log(self, pod: workloads.Workload) -> str:
        newest = self._newest.get(pod.name)
        # The API takes whole seconds; `newer` drops what came before within the second.
        since = {"sinceTime": f"{newest[:19]}Z"} if newest else {}
        if newest is None:
            since = {"tailLines": str(max(1, self._last))}  # also where none is shown: it tells what is old
        query = urlencode({"container": workloads.PROXY, "timestamps": "true", **since})
        try:
            code, _, body = self._api.raw("GET", f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/log?{query}")
        except status.StatusError:
            return ""
        return body.decode("utf-8", "replace") if code == 200 else ""


def newer(text: str, than: str) -> list[str]:
    """The lines of a log with timestamps that are younger than the timestamp ``than``."""
    return [line for line in text.splitlines() if line.partition(" ")[0] > than]
