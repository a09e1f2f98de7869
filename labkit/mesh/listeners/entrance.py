"""What holds for all that comes in at a proxy, whatever its port."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labkit.mesh import ir

NORMALIZATIONS = ("NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES")


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """Who may come in, how paths are read, and what is written down about it."""

    guard: ir.Guard = ir.OPEN
    normalization: str = ir.BASE
    telemetry: ir.Telemetry = ir.NO_TELEMETRY


def normalization(mesh_config: Mapping[str, Any]) -> str:
    """How the mesh normalises paths; ``DEFAULT`` is BASE."""
    word = str((mesh_config.get("pathNormalization") or {}).get("normalization") or "")
    return word if word in NORMALIZATIONS else ir.BASE
