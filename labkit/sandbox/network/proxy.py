"""The service proxy: listens where Services are, tells pods' networks where they lead, and passes on."""

import asyncio
import contextlib
import errno
from collections.abc import Callable, Iterable

from labkit.base import ports
from labkit.kube import api, informer, resources, status
from labkit.kube.resources import Object
from labkit.mesh.ambient import ztunnel
from labkit.mesh.hosts import service_entries
from labkit.sandbox.controllers import podstates
from labkit.sandbox.kubelet import events, node
from labkit.sandbox.network import addresses, ambient, dns, forward, names, nodeports, pods, routes, splice, standby

ABSENT = 1.0
"""Seconds until Istio's kinds are looked for again where they are not there."""

RETRY_AFTER = 5.0
"""Seconds until a NodePort that another program holds is tried again."""

NAME_SERVER = "10.96.0.10"
"""The ClusterIP of a cluster's DNS, as on kind."""

BACKLOG = 512

ENVOYS_PORT = 15053
"""As Istio's agent has for DNS."""

Address = tuple[str, int]


class ServiceProxy:
    """Follows Services, EndpointSlices and Pods; ``run`` until cancelled."""

    def __init__(self, client: api.Api, block: addresses.Block, *, api_port: int) -> None:
        self._client, self._block = client, block
        self._recorder = events.Recorder(client, component="kube-proxy", host=node.NAME)
        self._services = informer.Informer(client, resources.SERVICES)
        self._slices = informer.Informer(client, resources.ENDPOINT_SLICES)
        self._pods = informer.Informer(client, resources.PODS)
        # Its definition comes with Istio.
        self._entries = informer.Informer(client, resources.SERVICE_ENTRIES, retry_after=ABSENT)
        self.networks = pods.Networks(
            block,
            self,
            api_port=api_port,
            captured=self._note_captured,
            has_ambient=self._has_ambient,
            obstacle=lambda: ambient.obstacle(self._pods.all()),
        )
        """Of the pods of this node."""
        self.leads = routes.Routes()
        self._slices_of: dict[informer.Key, dict[str, Object]] = {}
        """EndpointSlices by their Service."""
        self._entries_of: dict[str, Object] = {}
        """ServiceEntries by host."""
        self._virtual: dict[str, tuple[str, Object]] = {}
        """Host and ServiceEntry by the address under which sidecars reach it."""
        self._listeners: dict[Address, asyncio.Server] = {}
        self._yielded: dict[Address, int] = {}
        """To how many Envoys a node port's listener gives way."""
        self._planned: dict[Address, Callable[[], asyncio.Protocol]] = {}
        self._owners: dict[Address, Object] = {}
        """Services of NodePorts, for events."""
        self._name_servers: list[asyncio.DatagramTransport] = []
        self._reported: set[Address] = set()
        self._is_dirty = asyncio.Event()

    def __repr__(self) -> str:
        return f"ServiceProxy({len(self._listeners)} listeners, {self.leads!r})"

    async def run(self) -> None:
        """Serve until cancelled; then every listener is closed."""
        self._slices.on_change(self._slice_changed)
        self._services.on_change(lambda old, new: self._service_changed(new or old))
        self._pods.on_change(lambda old, new: self._is_dirty.set())
        self._entries.on_change(self._entry_changed)
        followers = (self._services, self._slices, self._pods)
        try:
            async with asyncio.TaskGroup() as group:
                for follower in (*followers, self._entries):
                    group.create_task(follower.run(), name=repr(follower))
                group.create_task(self._recorder.run(), name="service proxy events")
                for follower in followers:
                    await follower.synced.wait()
                await self._move_taken_ports()
                await self._serve_names()
                while True:
                    await self._adjust()
                    await self._until_dirty()
        finally:
            for server in self._listeners.values():
                server.close()
            for transport in self._name_servers:
                transport.close()

    async def _until_dirty(self) -> None:
        # Ports below 1024 of a twin need privileges: refused once, refused always.
        waiting = self._owners.keys() - self._listeners.keys()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_dirty.wait(), RETRY_AFTER if waiting else None)
        self._is_dirty.clear()

    async def _move_taken_ports(self) -> None:
        """Before any pod listens: a load balancer's port that another program has is given another number."""
        used = nodeports.used_by(list(self._services.all()))
        for service in list(self._services.all()):
            moved = nodeports.moves(service, used, is_free=lambda port: ports.is_free(addresses.NODE, port))
            if not moved:
                continue
            used.update(moved.values())
            name, namespace = resources.name_of(service), resources.namespace_of(service)
            try:
                await self._client.patch(resources.SERVICES, name, namespace, nodeports.patch(service, moved))
            except status.StatusError:
                continue  # Deleted or changed at this moment; its port is tried again as it is.
            for old, new in moved.items():
                why = f"another program listens on {addresses.NODE}:{old}; the node port is {new} from now on"
                self._recorder.event(service, "NodePortMoved", why, type="Warning")

    async def _has_ambient(self) -> bool:
        """Whether istio-cni's pod for ambient is on this node, or is to be."""
        await self._pods.synced.wait()
        return any(ambient.may_ask(pod) for pod in self._pods.all())

    # What the API says

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for obj, is_there in ((old, False), (new, True)):
            if obj is None:
                continue
            name = resources.labels_of(obj).get(routes.SERVICE_OF_SLICE, "")
            key = (resources.namespace_of(obj), name)
            pieces = self._slices_of.setdefault(key, {})
            if is_there:
                pieces[resources.name_of(obj)] = obj
            else:
                pieces.pop(resources.name_of(obj), None)
            if not pieces:
                del self._slices_of[key]
            self._read(*key)

    def _service_changed(self, obj: Object | None) -> None:
        if obj:
            self._read(resources.namespace_of(obj), resources.name_of(obj))
            self._is_dirty.set()

    def _read(self, namespace: str, name: str) -> None:
        obj = self._services.get(name, namespace)
        if obj is None:
            self.leads.drop(namespace, name)
        else:
            pieces = self._slices_of.get((namespace, name), {})
            self.leads.put(routes.service_of(obj, pieces.values()))

    def _entry_changed(self, old: Object | None, new: Object | None) -> None:
        for host in (old or {"spec": {}})["spec"].get("hosts") or []:
            entry = self._entries_of.pop(host.lower(), None)
            self._virtual.pop(service_entries.virtual_address(entry, host.lower()) if entry else "", None)
        for host in (new or {"spec": {}})["spec"].get("hosts") or []:
            assert new is not None
            self._entries_of[host.lower()] = new
            self._virtual[service_entries.virtual_address(new, host.lower())] = host.lower(), new

    async def _note_captured(self, pod: Object, ports: str | None) -> None:
        """Tell istiod, by an annotation, which ports the node hands over to its proxy of ambient."""
        change = {"metadata": {"annotations": {ztunnel.CAPTURED: ports}}}
        with contextlib.suppress(status.NotFound):
            await self._client.patch(
                resources.PODS, resources.name_of(pod), resources.namespace_of(pod), change, manager="kubelet"
            )

    # What pods ask

    def service_object(self, namespace: str, name: str) -> Object | None:
        """A Service."""
        return self._services.get(name, namespace)

    def slices_of(self, namespace: str, name: str) -> Iterable[Object]:
        """Its EndpointSlices."""
        return self._slices_of.get((namespace, name), {}).values()

    def entry(self, host: str) -> Object | None:
        """A ServiceEntry of this host."""
        return self._entries_of.get(host)

    def entry_endpoint(self, address: str, port: int) -> routes.Endpoint | None:
        """Where the address of a ServiceEntry leads past every Envoy: to its first endpoint, or to its host."""
        host, entry = self._virtual.get(address, ("", None))
        if entry is None or address in (entry["spec"].get("addresses") or []):
            return None
        return names.first_endpoint(entry, host, port)

    async def _serve_names(self) -> None:
        """At kube-dns' address: for programs on DNS' own port, where it may be had, and for Envoys on one beside it."""
        address = self._block.service_twin(NAME_SERVER)
        views = {53: dns.Server(self), ENVOYS_PORT: dns.Server(self, self._connectable)}
        for port, view in views.items():
            if transport := await dns.serve(view, address, port):
                self._name_servers.append(transport)

    def _connectable(self, address: str) -> str:
        return self._block.service_twin(address) if address in self.leads else address

    # Listeners

    async def _adjust(self) -> None:
        """Open and close listeners until they are those that are wanted."""
        self._planned = self._planned_listeners()
        for address in self._listeners.keys() - self._planned.keys():
            self._listeners.pop(address).close()
            self._yielded.pop(address, None)
        for address in self._planned.keys() - self._listeners.keys():
            try:
                self._listeners[address] = await self._listen(address)
                self._reported.discard(address)
            except OSError as e:
                self._refused(address, e)
        self._yield_to_gateways()

    async def _listen(self, address: Address) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        if address not in self._owners:
            return await loop.create_server(self._planned[address], *address, backlog=BACKLOG, reuse_address=True)
        listener = standby.listen(address, backlog=BACKLOG)
        return await loop.create_server(self._planned[address], sock=listener, backlog=BACKLOG)

    def _yield_to_gateways(self) -> None:
        for address in self._owners.keys() & self._listeners.keys():
            number = max(1, sum(map(podstates.is_ready, self._gateways_of(self._owners[address]))))
            if self._yielded.get(address) != number:
                self._yielded[address] = number
                standby.yield_to(self._listeners[address].sockets[0], number)

    def _gateways_of(self, service: Object) -> list[Object]:
        return standby.gateways(service, self._pods.all())

    def _refused(self, address: Address, error: OSError) -> None:
        """A twin's low port may be refused; a NodePort that is taken is told to its Service.

        An Envoy that has a gateway's port already keeps it, and istiod tells what Envoy is refused.
        """
        owner = self._owners.get(address)
        if owner is None or address in self._reported or self._gateways_of(owner):
            return
        self._reported.add(address)
        port = address[1]
        why = "another program listens there" if error.errno == errno.EADDRINUSE else error.strerror
        self._recorder.event(
            owner,
            "NodePortTaken",
            f"nodePort {port} cannot be served on {address[0]}:{port}: {why}. Stop that program "
            f"(`ss -ltnp 'sport = :{port}'` names it) or set another spec.ports[].nodePort; "
            "it is tried again every few seconds",
            type="Warning",
        )

    def _planned_listeners(self) -> dict[Address, Callable[[], asyncio.Protocol]]:
        listeners: dict[Address, Callable[[], asyncio.Protocol]] = {}
        self._owners = {}
        for obj in self._services.all():
            service = self.leads.service(resources.namespace_of(obj), resources.name_of(obj))
            if service is None:
                continue
            for port in service.ports.values():
                choose = self._chooser(service, port.number)
                if service.cluster_ip:
                    listeners[self._block.service_twin(service.cluster_ip), port.number] = choose
                if port.node_port:
                    listeners[addresses.NODE, port.node_port] = self._waiting_chooser(service, port.number)
                    self._owners[addresses.NODE, port.node_port] = obj
        listeners[forward.address(self._block)] = lambda: forward.Inbound(self._authenticate)
        return listeners

    def _authenticate(self, token: str) -> forward.Dial | None:
        network = self.networks.of_token(token)
        return network.dial if network else None

    def _chooser(self, service: routes.Service, port: int) -> Callable[[], asyncio.Protocol]:
        async def dial(peer: str) -> splice.Half:
            return await self._dial(service, port, peer)

        return lambda: splice.FromPeer(dial)

    def _waiting_chooser(self, service: routes.Service, port: int) -> Callable[[], asyncio.Protocol]:
        async def dial(peer: str) -> splice.Half:
            obj = self._services.get(service.name, service.namespace)
            if obj is None or not self._gateways_of(obj):
                return await self._dial(service, port, peer)
            return await standby.until_reached(
                lambda: self._dial(service, port, peer), lambda: any(map(standby.is_coming, self._gateways_of(obj)))
            )

        return lambda: splice.FromPeer(dial)

    async def _dial(self, service: routes.Service, port: int, peer: str) -> splice.Half:
        # Looked up anew each time: endpoints change, the listener stays.
        current = self.leads.service(service.namespace, service.name) or service
        # As with a node's own rules, the endpoint sees the pod that calls.
        source = peer if self._block.is_pod(peer) else ""
        return await splice.connect(self.leads.endpoint(current, port, caller=peer), source=source)
