"""Requests that the API server hands to the node: logs, exec, attach and port-forward of one pod."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from labkit.kube import resources, status, times
from labkit.kube.resources import Object
from labkit.sandbox.apiserver.streams import ports
from labkit.sandbox.kubelet import container, logs, remote
from labkit.sandbox.kubelet.pod import Pod

NANOSECONDS = "000"


def container_name(pod: Object, asked: str) -> str:
    """The container meant; a refusal when the pod has several and none was named, or none of that name."""
    spec, name = pod["spec"], resources.name_of(pod)
    mains = [c["name"] for c in spec["containers"]]
    inits = [c["name"] for c in spec.get("initContainers") or []]
    if not asked:
        if len(mains) == 1:
            return str(mains[0])
        choice = f"choose one of: [{' '.join(mains)}]"
        if inits:
            choice += f" or one of the init containers: [{' '.join(inits)}]"
        raise status.refusal(f"a container name must be specified for pod {name}, {choice}")
    debuggers = [c["name"] for c in spec.get("ephemeralContainers") or []]
    if asked not in mains + inits + debuggers:
        raise status.refusal(f"container {asked} is not valid for pod {name}")
    return asked


def log_options(query: "web.BaseRequest | dict[str, str]", now: datetime) -> logs.Options:
    """From the query of a log request."""
    get = query.query.get if isinstance(query, web.BaseRequest) else query.get
    since = ""
    if seconds := get("sinceSeconds"):
        since = _nano(now - timedelta(seconds=int(seconds)))
    elif moment := get("sinceTime"):
        since = _nano(times.parse(moment))
    tail, limit = get("tailLines"), get("limitBytes")
    return logs.Options(
        tail=int(tail) if tail else None,
        since=since,
        timestamps=get("timestamps") in ("true", "1"),
        limit=int(limit) if limit else None,
        follow=get("follow") in ("true", "1"),
    )


def _nano(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + NANOSECONDS + "Z"


async def log(held_pod: Pod | None, request: web.Request, pod: Object) -> web.StreamResponse:
    """Stream a container's log as text."""
    name = container_name(pod, request.query.get("container", ""))
    held = _held(held_pod, pod, name)
    options = log_options(request, datetime.now(UTC))
    previous = request.query.get("previous") in ("true", "1")
    path, live = _log_of(held, pod, previous=previous)
    response = web.StreamResponse(headers={"Content-Type": "text/plain", "Cache-Control": "no-cache, private"})
    response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        async for chunk in logs.read(path, options, live=live):
            await response.write(chunk)
        await response.write_eof()
    except ConnectionError:
        pass  # the reader has left
    return response


def _held(held_pod: Pod | None, pod: Object, name: str) -> container.Container:
    held = held_pod.containers.get(name) if held_pod else None
    if held is None:
        waiting = f'container "{name}" in pod "{resources.name_of(pod)}" is waiting to start: '
        raise status.refusal(
            waiting + ("PodInitializing" if pod["spec"].get("initContainers") else "ContainerCreating")
        )
    return held


def _log_of(held: container.Container, pod: Object, *, previous: bool) -> tuple[Path, logs.Log | None]:
    place, seen = held.owner.place, held.observed
    running_life = held.life
    if previous:
        path = place.log(held.name, running_life - 1)
        if running_life < 1 or not path.exists():
            raise status.refusal(
                f'previous terminated container "{held.name}" in pod "{resources.name_of(pod)}" not found'
            )
        return path, None
    if held.log is not None:
        return held.log.path, held.log
    path = place.log(held.name, seen.restarts - 1)
    if seen.restarts and path.exists():
        return path, None
    waiting = seen.state.get("waiting") or {}
    why = "trying and failing to pull image" if "ImagePull" in waiting.get("reason", "") else waiting.get("reason")
    why = why or ("PodInitializing" if pod["spec"].get("initContainers") else "ContainerCreating")
    middle = "" if "trying" in why else "waiting to start: "
    raise status.refusal(f'container "{held.name}" in pod "{resources.name_of(pod)}" is {middle}{why}')


async def execute(held_pod: Pod | None, request: web.Request, pod: Object, *, attach: bool) -> web.StreamResponse:
    """Run a command in a container over a WebSocket, or join the container's own process."""
    wishes = remote.Wishes.of(request)
    name = container_name(pod, request.query.get("container", ""))
    if not (wishes.stdin or wishes.stdout or wishes.stderr):
        raise status.refusal("you must specify at least 1 of stdin, stdout, stderr")
    if not attach and not wishes.command:
        raise status.refusal("you must specify at least one command for the container")
    held = held_pod.containers.get(name) if held_pod else None
    if held is None or held.process is None:
        raise status.refusal(f'container not found ("{name}")', code=404, reason="NotFound")
    client = await remote.open_channels(request, wishes)
    await (remote.attach if attach else remote.execute)(held, client, wishes)
    return client.socket


async def port_forward(held_pod: Pod | None, request: web.Request, pod: Object) -> web.StreamResponse:
    """Tunnel connections to the pod over a WebSocket."""
    if held_pod is None or not held_pod.is_running:
        raise status.refusal(f"unable to forward port because pod is not running. Current status={_phase(pod)}")
    return await ports.serve(request, held_pod.dial)


def _phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase", "Pending"))
