"""Shares of requests as Envoy writes them."""

from labkit.mesh import ir
from labkit.mesh.model import Resource


def of_percent(percent: float) -> Resource:
    """``12.5`` per cent in millionths of all requests."""
    return {"numerator": round(percent * 10_000), "denominator": "MILLION"}


def of_share(share: ir.Share) -> Resource:
    """A share, in whole per cent where the object says so."""
    if share.is_whole:
        return {"numerator": round(share.percent), "denominator": "HUNDRED"}
    return of_percent(share.percent)
