"""Envoy's response flags in words: why a proxy answered as it did (``%RESPONSE_FLAGS%`` of an access log)."""

WORDS = {
    "DC": "the caller hung up",
    "DI": "delayed on purpose",
    "FI": "failed on purpose",
    "LH": "the local service failed its health check",
    "LR": "the connection was reset on this side",
    "NC": "no such cluster",
    "NR": "no route matches",
    "RL": "over the rate limit",
    "SI": "idle for too long",
    "UAEX": "refused by the authorisation service",
    "UC": "the upstream hung up",
    "UF": "no connection to the upstream",
    "UH": "no healthy upstream",
    "UO": "the circuit is open",
    "UR": "the upstream reset the request",
    "URX": "tried again as often as allowed",
    "UT": "the upstream took too long",
}


def explained(flags: str) -> str:
    """``"UO,URX"`` gives ``"the circuit is open; tried again as often as allowed"``; unknown ones stay themselves."""
    return "; ".join(WORDS.get(flag, flag) for flag in flags.split(",") if flag and flag != "-")
