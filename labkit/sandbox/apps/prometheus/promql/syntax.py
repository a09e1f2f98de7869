"""What ``promql-parser`` read, in this package's own records."""

from datetime import timedelta
from typing import Any

import promql_parser as parser

from labkit.sandbox.apps.prometheus.promql.errors import UnreadableError, UnsupportedError
from labkit.sandbox.apps.prometheus.promql.labels import NAME
from labkit.sandbox.apps.prometheus.promql.matchers import Matcher
from labkit.sandbox.apps.prometheus.promql.operators import Matching


def read(text: str) -> Any:
    """The parser's tree; UnreadableError with its words."""
    try:
        return parser.parse(text)
    except ValueError as e:
        raise UnreadableError(f'invalid parameter "query": parse error: {e}') from e


def selectors(text: str) -> tuple[Matcher, ...]:
    """The matchers of a text that is one selector, as ``series?match[]=`` has it."""
    tree = read(text)
    if not isinstance(tree, parser.VectorSelector):
        raise UnreadableError(f'invalid parameter "match[]": {text!r} is not a series selector')
    return matchers(tree)


def matchers(selector: Any) -> tuple[Matcher, ...]:
    """A selector's matchers, its metric's name among them."""
    if selector.matchers.or_matchers:
        raise UnsupportedError("`or` between matchers")
    named = (Matcher(NAME, "=", selector.name),) if selector.name else ()
    return (*named, *(Matcher(m.name, _op(m.op), m.value) for m in selector.matchers.matchers))


def _op(op: parser.MatchOp) -> str:
    """The parser's operators are neither hashable nor ordered."""
    for member, text in (
        (parser.MatchOp.Equal, "="),
        (parser.MatchOp.NotEqual, "!="),
        (parser.MatchOp.Re, "=~"),
        (parser.MatchOp.NotRe, "!~"),
    ):
        if op == member:
            return text
    raise UnsupportedError(f"the matcher {op}")


def matching(modifier: Any) -> Matching:
    """How a binary operator matches."""
    if modifier is None:
        return Matching()
    fill = modifier.fill_values
    if fill is not None and (fill.lhs is not None or fill.rhs is not None):
        raise UnsupportedError("`fill` of a binary operator")
    listed = modifier.matching
    many = ""
    if modifier.card == parser.VectorMatchCardinality.ManyToOne:
        many = "left"
    elif modifier.card == parser.VectorMatchCardinality.OneToMany:
        many = "right"
    return Matching(
        names=tuple(listed.labels) if listed else (),
        is_on=bool(listed) and listed.type == parser.LabelModifierType.Include,
        many=many,
        include=tuple(modifier.group_labels or ()),
    )


def unwrapped(node: Any) -> Any:
    """A node without the parentheses around it."""
    while isinstance(node, parser.ParenExpr):
        node = node.expr
    return node


def moment(node: Any, at: int, start: int, end: int) -> int:
    """When a selector looks, in milliseconds: its ``@`` and ``offset`` applied to the time of evaluation."""
    if node.at is not None:
        if node.at.type == parser.AtModifierType.Start:
            at = start
        elif node.at.type == parser.AtModifierType.End:
            at = end
        else:
            at = _fixed(node.at)
    return at - milliseconds(node.offset)


def _fixed(at: Any) -> int:
    """The time of an ``@``; UnsupportedError before 1970, which the parser's binding for Python cannot say."""
    try:
        seconds: float = at.at.timestamp()
    except BaseException as e:
        if type(e).__name__ != "PanicException":  # pyo3's class has no public name, and is no Exception
            raise
        raise UnsupportedError("`@` with a time before 1970") from None
    return round(seconds * 1000)


def milliseconds(duration: timedelta | None) -> int:
    """A duration of the parser; zero for none."""
    return round(duration / timedelta(milliseconds=1)) if duration else 0
