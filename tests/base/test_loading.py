"""Modules loaded at a start: without the collector and the machine's authorities, which both come back."""

import gc
import os
import ssl

import pytest

from labkit.base import loading


@pytest.mark.parametrize("own", [None, "/etc/own.pem"], ids=["the machine's authorities", "authorities of one's own"])
def test_the_environment_is_as_before(monkeypatch, own):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    if own:
        monkeypatch.setenv("SSL_CERT_FILE", own)
    with loading.sparingly():
        assert not ssl.create_default_context().get_ca_certs() and not gc.isenabled()
    assert os.environ.get("SSL_CERT_FILE") == own and gc.isenabled()


def test_a_module_that_cannot_be_loaded_leaves_no_trace():
    with pytest.raises(ModuleNotFoundError), loading.sparingly():
        __import__("labkit.nowhere")
    assert gc.isenabled() and os.environ.get("SSL_CERT_FILE") != os.devnull
