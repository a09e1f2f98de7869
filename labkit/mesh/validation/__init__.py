"""What is refused and what is warned of beyond the types of fields."""

from labkit.mesh.validation.findings import Cause
from labkit.mesh.validation.judging import CHECKS, Verdict, validate

__all__ = ["CHECKS", "Cause", "Verdict", "validate"]
