"""A second listener at a gateway's node port: connections wait there while the gateway's Envoy is started again.

Envoy listens at a node port itself, so that no Python is on the way of a request. A killed Envoy is back after a
second; until then the port would refuse whoever connects. The service proxy therefore listens at the same address
(SO_REUSEPORT) and tells the kernel to give it nothing while an Envoy is there.
"""

import asyncio
import ctypes
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable

from labkit.kube import resources
from labkit.kube.resources import Object
from labkit.sandbox.controllers import podstates
from labkit.sandbox.kubelet import node
from labkit.sandbox.network import routes, splice

WAIT = 10.0
"""Seconds that a connection waits for a gateway on its way back; a crash loop takes longer."""

LOOK_EVERY = 0.03
"""Seconds between two attempts to reach it."""

NOTICE = 0.5
"""Seconds in which the kubelet writes that a container ended, and in which a ready Envoy opens its listeners."""

SO_ATTACH_REUSEPORT_CBPF = 51

_Instruction = tuple[int, int]
_LOAD_WORD, _MODULO, _ADD, _RETURN, _RETURN_LOADED = 0x20, 0x94, 0x04, 0x06, 0x16
_RANDOM = 0xFFFFF000 + 56
"""The place of a random number (SKF_AD_OFF + SKF_AD_RANDOM, linux/filter.h)."""


def program(others: int) -> list[_Instruction]:
    """Choose one of the sockets 1 to ``others``; the kernel numbers the sockets of an address in order of age.

    Where the chosen number does not exist, the kernel deals connections out to all: to the first one, if it is alone
    (socket(7), SO_ATTACH_REUSEPORT_CBPF).
    """
    if others < 2:
        return [(_RETURN, 1)]
    return [(_LOAD_WORD, _RANDOM), (_MODULO, others), (_ADD, 1), (_RETURN_LOADED, 0)]


def yield_to(listener: socket.socket, others: int) -> None:
    """Let the kernel give this listener, the oldest at its address, nothing while one of ``others`` is there."""
    code = b"".join(struct.pack("HBBI", operation, 0, 0, operand) for operation, operand in program(others))
    held = ctypes.create_string_buffer(code)
    option = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(held))
    listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, option)


def listen(address: tuple[str, int], *, backlog: int) -> socket.socket:
    """A listener that others of this user may join; OSError where another program has the address."""
    # Shared alone, the address would be given to us beside a stranger's socket of the same user: ask for it first.
    _bound(address, is_shared=False).close()
    listener = _bound(address, is_shared=True)
    listener.listen(backlog)
    yield_to(listener, 1)
    return listener


def _bound(address: tuple[str, int], *, is_shared: bool) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


async def until_reached(dial: Callable[[], Awaitable[splice.Half]], is_coming: Callable[[], bool]) -> splice.Half:
    """Dial until somebody answers, while a gateway is on its way back; the last refusal where none is."""
    clock = asyncio.get_running_loop().time
    began = expected = clock()
    while True:
        try:
            return await dial()
        except (ConnectionRefusedError, routes.NoRouteError):
            now = clock()
            expected = now if is_coming() else expected
            if now - began > WAIT or now - expected > NOTICE:
                raise
        await asyncio.sleep(LOOK_EVERY)


def gateways(service: Object, pods: Iterable[Object]) -> list[Object]:
    """The pods of a Service whose Envoys listen at its node ports."""
    selector, namespace = service["spec"].get("selector") or {}, resources.namespace_of(service)
    return [
        pod
        for pod in pods
        if node.is_gateway(pod)
        and resources.namespace_of(pod) == namespace
        and selector
        and selector.items() <= resources.labels_of(pod).items()
    ]


def is_coming(pod: Object) -> bool:
    """Whether a pod is about to serve: it runs on this node, is not ready, and stays."""
    is_running = (pod.get("status") or {}).get("phase") == "Running"
    return is_running and not podstates.is_ready(pod) and not pod["metadata"].get("deletionTimestamp")
