"""Certificates of proxies: made when first needed, renewed at half their life, sent by SDS."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from labkit.mesh import model
from labkit.sandbox.istiod import authority, messages


@dataclass(frozen=True, kw_only=True)
class _Identity:
    """One service account's certificate, encoded: every push asks for it."""

    secret: bytes
    expires: datetime.datetime


class Identities:
    """The secrets of every service account that has a proxy."""

    def __init__(self, root: authority.Authority) -> None:
        self._root = root
        trusted = {"trusted_ca": {"inline_string": root.root}}
        self._trusted = messages.encoded("secrets", {"name": "ROOTCA", "validation_context": trusted})
        self._identities: dict[tuple[str, str], _Identity] = {}

    def __repr__(self) -> str:
        return f"Identities({len(self._identities)} service accounts)"

    def secrets(self, proxy: model.Proxy) -> Mapping[str, bytes]:
        """``default``, the proxy's own certificate, and ``ROOTCA``."""
        key = proxy.namespace, proxy.service_account
        identity = self._identities.get(key)
        now = datetime.datetime.now(datetime.UTC)
        if identity is None or identity.expires - now < authority.LEAF_LIFE / 2:
            identity = self._identities[key] = self._new(*key)
        return {"default": identity.secret, "ROOTCA": self._trusted}

    def _new(self, namespace: str, account: str) -> _Identity:
        own = self._root.workload(namespace, account)
        certificate = {
            "certificate_chain": {"inline_string": own.chain},
            "private_key": {"inline_string": own.key},
        }
        secret = messages.encoded("secrets", {"name": "default", "tls_certificate": certificate})
        return _Identity(secret=secret, expires=own.expires)
