"""The body of a request: read whole, within a real server's limit."""

from aiohttp import web

from labkit.sandbox.apiserver import refusing

LARGEST = 3 * 1024 * 1024
"""Bytes of a body that a real server reads."""


async def read(request: web.BaseRequest) -> bytes:
    """The bytes as they were sent, whatever their encoding is called; 413 for more than the server reads."""
    if (request.content_length or 0) > LARGEST:
        raise _too_large()
    parts, size = [], 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > LARGEST:
            raise _too_large()
        parts.append(part)
    return b"".join(parts)


def _too_large() -> Exception:
    text = f"Request entity too large: limit is {LARGEST}"
    return refusing.refusal(413, "RequestEntityTooLarge", text)
