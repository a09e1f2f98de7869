"""What istiod tells the Envoy in ztunnel's place on a node: ztunnel's tables, compiled, and its pods' certificates."""

from collections.abc import Iterator, Mapping

from labkit.mesh import model
from labkit.mesh.ambient import tables, ztunnel
from labkit.sandbox.istiod import identities

ROLE = "ztunnel"
NODE_NAME = "NODE_NAME"
"""In the metadata of such a proxy: the node it runs on."""


class NodeProxies:
    """Tables are made once for a snapshot, when a proxy asks for them."""

    def __init__(self, secrets: identities.Identities) -> None:
        self._secrets = secrets
        self._snapshot: model.Snapshot | None = None
        self._tables: tables.Tables | None = None

    def tables(self, snapshot: model.Snapshot) -> tables.Tables:
        """ztunnel's tables of a snapshot."""
        if self._tables is None or self._snapshot is not snapshot:
            self._snapshot, self._tables = snapshot, tables.of(snapshot)
        return self._tables

    def config(self, snapshot: model.Snapshot, proxy: model.Proxy) -> model.Config:
        """The configuration of one node's proxy."""
        return ztunnel.config(snapshot, self.tables(snapshot), node_of(proxy))

    def secrets(self, snapshot: model.Snapshot, proxy: model.Proxy) -> Mapping[str, bytes]:
        """A certificate for each identity of the node's pods, by its SPIFFE name."""
        return dict(self._certificates(snapshot, proxy))

    def _certificates(self, snapshot: model.Snapshot, proxy: model.Proxy) -> Iterator[tuple[str, bytes]]:
        domain = model.trust_domain(snapshot.mesh_config)
        for name, (namespace, account) in ztunnel.identities(snapshot, node_of(proxy)).items():
            secret = self._secrets.of_account(name, namespace, account, domain, certificate_of=proxy)
            if secret is not None:
                yield name, secret


def node_of(proxy: model.Proxy) -> str:
    """The node that a proxy speaks for."""
    return proxy.metadata.get(NODE_NAME, "")
