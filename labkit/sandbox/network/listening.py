"""Where a program of a pod listens: behind an Envoy on a socket of the pod's folder, else at the pod's address."""

import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from labkit.mesh.place import app_socket
from labkit.sandbox.network import door, sockets

BEHIND = "LABKIT_BEHIND_PROXY"
"""Set in a pod whose Envoy owns its address."""

ADDRESS = "LABKIT_APP_IP"
"""The variable with the address at which programs listen that know no socket of the pod's folder."""

POD_ADDRESS = "LABKIT_POD_IP"
"""The variable with the pod's own address; programs that can hand a port over to a proxy listen there."""


def pod_address(env: Mapping[str, str]) -> str:
    """The pod's own address; the machine's loopback outside a pod."""
    return env.get(POD_ADDRESS) or env.get(ADDRESS, "127.0.0.1")


def _is_apart(env: Mapping[str, str]) -> bool:
    """Whether the sandbox listens at the pod's address in the place of programs that know no socket."""
    return env.get(ADDRESS, "") != env.get(POD_ADDRESS, env.get(ADDRESS, ""))


@contextlib.contextmanager
def listening(port: int, env: Mapping[str, str]) -> Iterator[tuple[socket.socket, str]]:
    """A listening socket for a port, and how to show its address; OSError when another program has it."""
    folder = door.folder_of(env)
    if folder is None or BEHIND not in env:
        host = env.get(ADDRESS, "127.0.0.1")
        with _bound(host, port) as listener, contextlib.ExitStack() as held:
            if folder is not None and _is_apart(env):
                _announced(held, listener.getsockname()[1], env)
            yield listener, f"{pod_address(env)}:{listener.getsockname()[1]}"
        return
    path = folder / app_socket(port)
    with contextlib.ExitStack() as stack:
        if sockets.is_taken(path):
            # Perhaps by the network itself, for a program that knows no socket: it gives way.
            _announced(stack, port, env)
            if sockets.is_taken(path):
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
            listener = _listening(stack, path)
        else:
            # Who waits for this program is served first; the network hears of it afterwards.
            listener = _listening(stack, path)
            _announced(stack, port, env)
        yield listener, f"0.0.0.0:{port}"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a server listens that binds by itself, and what it does when it is bound."""

    bound: str
    """``unix:PATH`` or ``HOST:PORT``, in gRPC's form."""

    shown: str
    announce: Callable[[], None]


@contextlib.contextmanager
def place(port: int, env: Mapping[str, str]) -> Iterator[Place]:
    """The same for a server that takes no socket: it binds ``bound`` and calls ``announce``."""
    folder = door.folder_of(env)
    if folder is None or BEHIND not in env:
        host = env.get(ADDRESS, "127.0.0.1")
        with contextlib.ExitStack() as held:
            is_apart = folder is not None and _is_apart(env)
            announced = (lambda: _announced(held, port, env)) if is_apart else lambda: None
            yield Place(bound=f"{host}:{port}", shown=f"{pod_address(env)}:{port}", announce=announced)
        return
    path = folder / app_socket(port)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.ExitStack() as stack:

        def announce() -> None:
            draft.chmod(sockets.OWNER_ONLY)
            draft.replace(path)
            stack.callback(path.unlink, missing_ok=True)
            _announced(stack, port, env)

        draft.unlink(missing_ok=True)
        name = stack.enter_context(sockets.named(draft))
        yield Place(bound=f"unix:{name}", shown=f"0.0.0.0:{port}", announce=announce)


def _listening(stack: contextlib.ExitStack, path: Path) -> socket.socket:
    listener = stack.enter_context(sockets.listen(path, backlog=1024))
    stack.callback(path.unlink, missing_ok=True)
    return listener


def _announced(stack: contextlib.ExitStack, port: int, env: Mapping[str, str]) -> None:
    if held := door.announce(port, env):
        stack.enter_context(held)


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), backlog=1024)
    except OSError as e:
        # What create_server adds to it repeats the address.
        raise OSError(e.errno, os.strerror(e.errno or 0)) from e
