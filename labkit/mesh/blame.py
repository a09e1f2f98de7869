"""Objects that cannot be translated: the API's schemas keep them out, and whatever comes past them gets a name."""

import contextlib
from collections.abc import Iterator

from labkit.base import errors

TROUBLE = (AttributeError, IndexError, KeyError, OverflowError, RecursionError, TypeError, ValueError)
"""What a value of the wrong shape leads to."""


class TranslationError(errors.LabError):
    """An object is of a shape that nothing can be made of."""

    def __init__(self, what: str, *, problem: str) -> None:
        super().__init__(
            f"{what} cannot be translated: {problem}\nNext: compare its fields with kubectl explain, and apply it anew"
        )


@contextlib.contextmanager
def naming(what: str) -> Iterator[None]:
    """A fault inside becomes one that says whose it is; the innermost name stays."""
    try:
        yield
    except TROUBLE as e:
        raise TranslationError(what, problem=f"{type(e).__name__}: {e}") from e
