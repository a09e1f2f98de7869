"""Certificates of proxies: made when first needed, renewed at half their life, sent by SDS."""

import datetime
from collections.abc import Mapping

from labkit.mesh import model
from labkit.sandbox.xds import authority, messages


class Identities:
    """The secrets of every service account that has a proxy."""

    def __init__(self, root: authority.Authority) -> None:
        self._root = root
        self._made: dict[tuple[str, str], authority.Certificate] = {}

    def secrets(self, proxy: model.Proxy) -> Mapping[str, bytes]:
        """``default``, the proxy's own certificate, and ``ROOTCA``."""
        own = self._certificate(proxy.namespace, proxy.service_account)
        certificate = {
            "certificate_chain": {"inline_string": own.chain},
            "private_key": {"inline_string": own.key},
        }
        trusted = {"trusted_ca": {"inline_string": self._root.root}}
        return {
            "default": messages.encoded("secrets", {"name": "default", "tls_certificate": certificate}),
            "ROOTCA": messages.encoded("secrets", {"name": "ROOTCA", "validation_context": trusted}),
        }

    def _certificate(self, namespace: str, account: str) -> authority.Certificate:
        key = namespace, account
        found = self._made.get(key)
        now = datetime.datetime.now(datetime.UTC)
        if found is None or found.expires - now < authority.LEAF_LIFE / 2:
            found = self._made[key] = self._root.workload(namespace, account)
        return found
