"""The helper library behind the course: ``from labkit import Lab``."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labkit.lab import Lab

__all__ = ["Lab"]


def __getattr__(name: str) -> Any:
    # Late, so that the sandbox's own processes never pay for pandas and widgets.
    if name == "Lab":
        from labkit.lab import Lab

        return Lab
    raise AttributeError(f"module 'labkit' has no attribute {name!r}")
