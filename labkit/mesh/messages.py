"""Envoy's messages from descriptors: no generated code, and a misspelt field is found before it is sent.

What istiod always speaks is in one file; the messages of all other filters of upstream Envoy are in a second one, which
is read when somebody names one of them.
"""

import gzip
from functools import cache
from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor

SPOKEN, MORE, NAMES = "envoy-api.binpb.gz", "envoy-more.binpb.gz", "envoy-types.txt.gz"

ISTIOS = ("istio.", "io.istio.", "stats.")
"""Packages of Istio's own filters, whose messages a real istiod has."""

CONTRIB = ".v3alpha."
"""Part of the names of Envoy's contributed extensions."""


@cache
def pool() -> descriptor_pool.DescriptorPool:
    """A pool of our own: the default one would clash with packages that bring Envoy's API themselves."""
    own_pool = descriptor_pool.DescriptorPool()
    _add(own_pool, SPOKEN)
    return own_pool


@cache
def pool_of_all() -> descriptor_pool.DescriptorPool:
    """The same pool, with the seldom spoken messages as well."""
    _add(pool(), MORE)
    return pool()


def _add(own_pool: descriptor_pool.DescriptorPool, file_name: str) -> None:
    for file in descriptor_pb2.FileDescriptorSet.FromString(_data(file_name)).file:
        own_pool.Add(file)


def _data(file_name: str) -> bytes:
    return gzip.decompress(resources.files(__package__).joinpath("data", file_name).read_bytes())


def message_class(name: str) -> Any:
    """The class of ``envoy.config.cluster.v3.Cluster``; KeyError where there is no such message."""
    return message_factory.GetMessageClass(descriptor(name))


@cache
def descriptor(name: str) -> Descriptor:
    """The descriptor of a message; KeyError where no descriptor is at hand."""
    try:
        return pool().FindMessageTypeByName(name)
    except KeyError:
        return pool_of_all().FindMessageTypeByName(name)


def is_known(name: str) -> bool:
    """Whether a real istiod has such a message, with a descriptor at hand or not."""
    return name in _names() or name.startswith(ISTIOS) or CONTRIB in name


@cache
def _names() -> frozenset[str]:
    """All messages of Envoy's API; of some there is no descriptor here."""
    return frozenset(_data(NAMES).decode().splitlines())
