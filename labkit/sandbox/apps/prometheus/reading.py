"""A target's page over the network: plain HTTP by the pod's door, HTTPS with the files that the job names."""

import ssl
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from labkit.sandbox.apps import channel
from labkit.sandbox.apps.prometheus.targets import Target

ACCEPT = "text/plain;version=0.0.4;q=1,*/*;q=0.1"
AGENT = "Prometheus/3.10.0"


class Reader:
    """Reads pages for a pod with this environment."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._root = Path(env.get("LABKIT_ROOT") or "/")

    async def read(self, target: Target) -> str:
        """The page; OSError or ValueError when there is none."""
        headers = {"Accept": ACCEPT, "User-Agent": AGENT, **self._authorization(target)}
        if target.url.startswith("https:"):
            return await self._read_tls(target, headers)
        call = channel.call("GET", target.url, fields=[("Connection", "close"), *headers.items()], env=self._env)
        opened = await call.open()
        try:
            reply = await opened.ask(call.method, call.request)
        finally:
            opened.close()
        if reply.status != 200:
            raise ValueError(f"server returned HTTP status {reply.status}")
        return reply.body.decode("utf-8", "replace")

    def _authorization(self, target: Target) -> dict[str, str]:
        if not target.job.token_file:
            return {}
        return {"Authorization": f"Bearer {self._file(target.job.token_file).read_text().strip()}"}

    def _file(self, path: str) -> Path:
        return self._root / path.lstrip("/")

    async def _read_tls(self, target: Target, headers: Mapping[str, str]) -> str:
        job = target.job
        context = ssl.create_default_context(cafile=str(self._file(job.authority_file)) if job.authority_file else None)
        if job.is_unverified:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            async with (
                aiohttp.ClientSession(trust_env=False) as session,
                session.get(target.url, headers=headers, ssl=context, allow_redirects=False) as reply,
            ):
                if reply.status != 200:
                    raise ValueError(f"server returned HTTP status {reply.status} {reply.reason}")
                return await reply.text()
        except aiohttp.ClientError as e:
            raise OSError(str(e)) from e
