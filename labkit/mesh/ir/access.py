"""Who may do what: rules of callers and operations, and the steps that decide one after the other."""

from dataclasses import dataclass

from labkit.mesh.ir import bounds
from labkit.mesh.ir.routes import Text

PRINCIPAL, PEER_ADDRESS, CLIENT_ADDRESS = "principal", "peer address", "client address"
OWN_ADDRESS, PORT, SERVER_NAME = "own address", "port", "server name"
HOST, METHOD, PATH, HEADER = "host", "method", "path", "header"
SUBJECT, CLAIM, METADATA = "subject", "claim", "metadata"

ALLOW, DENY, LOG = "ALLOW", "DENY", "LOG"

CONNECTION = (PRINCIPAL, PEER_ADDRESS, CLIENT_ADDRESS, OWN_ADDRESS, PORT, SERVER_NAME)
REQUEST = (HOST, METHOD, PATH, HEADER, SUBJECT, CLAIM, METADATA)


@dataclass(frozen=True, kw_only=True)
class Test:
    """One question about a connection or a request: it passes when one of the texts fits."""

    asks: str
    """``principal``, ``path``, ``claim`` …: one of the constants above."""

    texts: tuple[Text, ...]
    """The texts to compare with; tests of addresses also use the kind ``range``."""

    issuers: tuple[Text, ...] = ()
    """For a token's subject, the issuer that belongs to each text."""

    keys: tuple[str, ...] = ()
    """The name of a header; the path of a claim; filter and path of metadata."""

    is_negated: bool = False
    """Whether it passes when none of the texts fits."""

    is_list: bool = False
    """For metadata, whether the value is a list and one element must match."""

    def __post_init__(self) -> None:
        bounds.require_one_of(self, "asks", *CONNECTION, *REQUEST)
        if self.asks in (HEADER, CLAIM, METADATA):
            bounds.require_filled(self, "keys")


Tests = tuple[Test, ...]
"""All of them must pass; an empty tuple always passes."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule applies if one entry of ``callers`` and one of ``operations`` pass."""

    name: str
    callers: tuple[Tests, ...] = ((),)
    operations: tuple[Tests, ...] = ((),)
    is_never: bool = False
    """Whether the rule never applies, whatever its other fields hold."""

    def __post_init__(self) -> None:
        bounds.require_filled(self, "name")


@dataclass(frozen=True, kw_only=True)
class Rules:
    """One step: an ALLOW step refuses what no rule applies to, a DENY step what one applies to; LOG refuses nothing."""

    action: str
    enforced: tuple[Rule, ...] | None = None
    """The enforced rules; None enforces nothing, an empty ALLOW refuses everything."""

    trial: tuple[Rule, ...] | None = None
    """Rules of a dry run, whose result is only logged."""

    is_refusal: bool = False
    """Whether this step refuses in the place of an authorizer that cannot be asked."""

    def __post_init__(self) -> None:
        bounds.require_one_of(self, "action", ALLOW, DENY, LOG)


@dataclass(frozen=True, kw_only=True)
class Authorizer:
    """A service that is asked whether a request may pass."""

    name: str
    upstream: str
    host: str
    is_grpc: bool
    timeout: float
    """Seconds; a service that does not answer in time refuses, or allows where ``fails_open``."""

    fails_open: bool = False
    error_status: int = 0
    """The status that callers get if the service is unreachable; 0 for 403."""

    clears_routes: bool = False
    path_prefix: str = ""
    checked_headers: tuple[Text, ...] = ()
    """Headers of the request that the service sees."""

    added_headers: tuple[tuple[str, str], ...] = ()
    upstream_headers: tuple[Text, ...] = ()
    """Headers of its answer that go on to the app."""

    allowed_headers: tuple[Text, ...] = ()
    """Headers of its answer that callers see when it allows."""

    denied_headers: tuple[Text, ...] = ()
    """Headers of its answer that callers see when it refuses."""

    body_bytes: int | None = None
    """Bytes of the body that the service sees; None for none."""

    body_may_be_partial: bool = False
    body_is_raw: bool = False

    def __post_init__(self) -> None:
        bounds.require_filled(self, "name", "upstream")
        bounds.require_not_negative(self, "timeout", "body_bytes")
        bounds.require_status(self, "error_status")


@dataclass(frozen=True, kw_only=True)
class Asking:
    """One step: the authorizer decides on every request to which a rule applies."""

    rules: tuple[Rule, ...]
    authorizer: Authorizer
    prefix: str
    """The prefix of these rules' names, by which the authorizer's filter recognizes them."""


Step = Rules | Asking


@dataclass(frozen=True, kw_only=True)
class Access:
    """The steps of a proxy, for requests and for connections that carry anything else."""

    requests: tuple[Step, ...] = ()
    connections: tuple[Step, ...] = ()


FREE = Access()
"""No restriction at all."""
