"""Loading a program's modules at its start at the least cost in time and memory."""

import contextlib
import gc
import os
from collections.abc import Iterator

CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that tell OpenSSL where the machine's certificate authorities are."""


@contextlib.contextmanager
def sparingly() -> Iterator[None]:
    """Import modules in the body without the collector, and without the machine's certificate authorities.

    The collector walks through all modules again for each few thousand new objects: a tenth of the time. aiohttp reads
    the authorities when it is imported (``aiohttp/connector.py``): 50 ms and 1.6 MB a process. Nobody in the sandbox
    trusts a server by them but istiod when it fetches keys, and it makes a context of its own.
    """
    before = {name: os.environ.get(name) for name in CERTIFICATES}
    os.environ.update(dict.fromkeys(CERTIFICATES, os.devnull))
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
