"""Why a query has no answer."""


class QueryError(Exception):
    """A query that has no answer; ``kind`` is Prometheus' errorType."""

    kind = "execution"


class UnreadableError(QueryError):
    """A query that the parser refuses, or that asks for what is not carried out."""

    kind = "bad_data"


class UnsupportedError(UnreadableError):
    """A part of PromQL that Prometheus has and this evaluator has not."""

    def __init__(self, part: str) -> None:
        super().__init__(f"{part} is not carried out by the sandbox's Prometheus; a real one has it")


SAME_LABELS = "vector cannot contain metrics with the same labelset"
