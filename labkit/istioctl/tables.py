"""Columns as istioctl aligns them."""

from collections.abc import Iterable, Sequence

PADDING = 5


def lines(header: Sequence[str], rows: Iterable[Sequence[object]], *, padding: int = PADDING) -> list[str]:
    """A header and its rows, each column as wide as its longest cell; the last one is not filled."""
    table = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[at]) for row in table) + padding for at in range(len(header) - 1)]
    return ["".join([*(c.ljust(w) for c, w in zip(row, widths, strict=False)), row[-1]]) for row in table]
