"""Compiling and evaluating expressions, with errors in the words of the evaluator that Kubernetes uses (cel-go)."""

import importlib
import itertools
import re
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from labkit.sandbox.apiserver.objects.cel import functions
from labkit.sandbox.apiserver.objects.cel.declared import Declared, Kind

if TYPE_CHECKING:
    from cel_expr_python import cel

Names = tuple[str, ...]
"""Variables of an expression."""

Variables = tuple[tuple[str, Kind], ...]
"""The same with the type of each."""

_BIND = "cel.bind(oldSelf, "
_OPTIONAL = f"{_BIND}has_old ? optional.of(old) : optional.none(), {{}})"
"""How ``oldSelf`` becomes an optional value; the expression stands at the end."""

_KINDS = ("string", "int", "double", "bool", "list", "map", "bytes", "timestamp", "duration", "null")

_WRAPPED = re.compile(r"^[A-Z_]+: (.*?)(?: \[[A-Z_]+\])?$", re.DOTALL)
_MATCHES = re.compile(r"""\.matches\(\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*\)""")
_PLACE = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_RUNTIME = (
    (re.compile(r'Key not found in map : "(.*)"', re.DOTALL), r"no such key: \1"),
    (re.compile(r"Key not found in map : (.*)", re.DOTALL), r"no such key: \1"),
    (re.compile(r"Index error: index=(-?\d+) size=\d+"), r"index out of bounds: \1"),
    (re.compile(r"divide by zero"), "division by zero"),
    (re.compile(r"No matching overloads found.*", re.DOTALL), "no such overload"),
    (re.compile(r"Applying SELECT to non-message type"), "no such overload"),
    (
        re.compile(r"String to (Duration|Timestamp) conversion failed"),
        r"type conversion error from 'string' to 'google.protobuf.\1'",
    ),
    (re.compile(r"cannot convert string to (\w+)"), r"type conversion error from 'string' to '\1'"),
)
"""What the C++ runtime says → what Kubernetes says."""


class CompileError(Exception):
    """An expression that is not CEL, or does not fit its types; the text is what a real server adds to a refusal."""


class EvaluationError(Exception):
    """An expression that has no value for these variables."""


def check(expression: str, variables: Mapping[str, Kind], types: Declared | None = None) -> str:
    """The name of the type that an expression has; CompileError where it does not compile."""
    of = tuple(sorted(variables.items()))
    if any(_has_struct(kind) for kind in variables.values()):
        name, problem = _checked(expression, _struct_environment(of, types, _extensions(expression)))
    else:
        name, problem = _checked_once(expression, of)
    problem = problem or _bad_pattern(expression)
    if problem:
        raise CompileError(f"compilation failed: {problem}")
    return name


def _bad_pattern(expression: str) -> str:
    """The complaint about a literal regular expression that is none: such a rule could only ever fail."""
    for literal in _MATCHES.finditer(expression):
        try:
            evaluate(f"''.matches({literal[1]})", {})
        except EvaluationError:
            before = expression[: literal.start(1)]
            line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
            return block(expression, line, column, "invalid matches argument")
    return ""


def _checked(expression: str, env: "cel.Env") -> tuple[str, str]:
    """The type of an expression, or why it has none."""
    try:
        return str(env.compile(expression).return_type().name()).lower(), ""
    except RuntimeError as e:
        return "", _compile_text(str(e), expression)


@lru_cache(maxsize=512)
def _checked_once(expression: str, variables: Variables) -> tuple[str, str]:
    """As ``_checked``, remembered: definitions repeat the same few rules of texts and numbers hundreds of times."""
    return _checked(expression, _environment(variables, _extensions(expression)))


def _has_struct(kind: Kind) -> bool:
    return isinstance(kind, tuple) and (kind[0] == "message" or _has_struct(kind[1]))


def evaluate(expression: str, variables: Mapping[str, Any]) -> Any:
    """The value of an expression, as plain data."""
    return _value(_program(expression, tuple(sorted(variables))), variables)


def evaluate_with_optional(expression: str, value: Any, old: Any) -> Any:
    """As ``evaluate`` of ``self``, with ``oldSelf`` an optional value that is empty where ``old`` is None."""
    variables = {"self": value, "old": old, "has_old": old is not None}
    return _value(_program(_OPTIONAL.format(expression), tuple(sorted(variables))), variables)


def uses(expression: str, name: str) -> bool:
    """Whether an expression speaks of a variable, texts in it aside."""
    bare = re.sub(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", "''", expression)
    return re.search(rf"(?<![\w.]){name}(?!\w)", bare) is not None


def _value(program: "cel.Expression", variables: Mapping[str, Any]) -> Any:
    result = program.eval(data=dict(variables))
    if str(result.type().name()) == "*error*" or result.type() == _cel().Type.ERROR:
        raise EvaluationError(_runtime_text(str(result.value())))
    return result.plain_value()


@lru_cache(maxsize=4096)
def _program(expression: str, names: Names) -> "cel.Expression":
    """An expression for values of any type: types are checked when a rule is written, not when it is asked."""
    env = _environment(tuple((name, "dyn") for name in names), _extensions(expression), is_typed=False)
    try:
        return env.compile(expression)
    except RuntimeError as e:
        raise EvaluationError(_compile_text(str(e), expression)) from e


@cache
def _cel() -> Any:
    """The runtime: 10 MB of memory and 15 ms, which a sandbox pays when it first meets a rule."""
    from cel_expr_python import cel

    return cel


@lru_cache(maxsize=16)
def _environment(variables: Variables, extensions: Names, *, is_typed: bool = True) -> "cel.Env":
    return _new_environment(variables, None, extensions, is_typed=is_typed)


@lru_cache(maxsize=1)
def _struct_environment(variables: Variables, types: Declared | None, extensions: Names) -> "cel.Env":
    """One at a time: it holds the types of a whole definition, which takes a megabyte."""
    return _new_environment(variables, types, extensions, is_typed=True)


def _extensions(expression: str) -> Names:
    """The parts of the runtime that an expression needs beyond the core: each is a library of 7 MB."""
    is_optional = any(mark in expression for mark in ("optional", ".?", "[?"))
    needs = {"bindings": expression.startswith(_BIND), "optional": is_optional}
    return tuple(name for name, is_needed in needs.items() if is_needed)


def _new_environment(variables: Variables, types: Declared | None, extensions: Names, *, is_typed: bool) -> "cel.Env":
    loaded = [importlib.import_module(f"cel_expr_python.ext.ext_{name}") for name in extensions]
    return _cel().NewEnv(
        descriptor_pool=types.pool if types else None,
        variables={name: _type(kind, typed=True) for name, kind in variables},
        functions=_declarations(typed=is_typed),
        extensions=[getattr(module, f"Ext{name.title()}")() for name, module in zip(extensions, loaded, strict=True)],
    )


@cache
def _declarations(*, typed: bool) -> list[Any]:
    return [_declaration(name, group, typed=typed) for name, group in functions.by_name().items()]


def _declaration(name: str, group: Sequence[functions.Function], *, typed: bool) -> Any:
    cel = _cel()
    overloads: dict[Any, Any] = {}
    for one in group:
        # The runtime finds a function by what its values are, never by ``dyn``.
        every = [_KINDS if kind == "dyn" and not typed else (kind,) for kind in one.parameters]
        for parameters in itertools.product(*every):
            shape = tuple("map" if kind in functions.OPAQUE and not typed else kind for kind in parameters)
            overloads.setdefault(
                (one.is_member, shape),
                cel.Overload(
                    f"{name}_{len(overloads)}",
                    _type(one.returns, typed=typed),
                    [_type(kind, typed=typed) for kind in shape],
                    one.is_member,
                    one.run,
                ),
            )
    return cel.FunctionDecl(name, list(overloads.values()))


def _type(kind: Kind, *, typed: bool) -> Any:
    types = _cel().Type
    if isinstance(kind, tuple):
        form, inner = kind
        if form == "message":
            return types(inner)
        if form == "optional":
            return types.AbstractType("optional_type", [_type(inner, typed=typed)])
        return (
            types.List(_type(inner, typed=typed))
            if form == "list"
            else types.Map(types.STRING, _type(inner, typed=typed))
        )
    if kind in functions.OPAQUE:
        return types.AbstractType(functions.OPAQUE[kind]) if typed else types.DYN
    return getattr(types, kind.upper())


def _compile_text(text: str, expression: str) -> str:
    text = _bare(text)
    return "\n".join(_blocks(text, expression))


def _blocks(text: str, expression: str) -> list[str]:
    """Each error with the line it is about and a mark below its place."""
    blocks = []
    for line, column, problem in _PLACE.findall(text):
        if "'*error*'" in problem:
            continue  # it follows from an error that stands before it
        place, words = _problem(problem, _line(expression, int(line)), int(column))
        blocks.append(block(expression, int(line), place, words))
    return blocks or [text]


def block(expression: str, line: int, column: int, words: str) -> str:
    """One error, the line it is about, and a mark below its place."""
    source = _line(expression, line)
    return f"ERROR: <input>:{line}:{column}: {words}\n | {source}\n | {'.' * (column - 1)}^"


def _line(expression: str, number: int) -> str:
    lines = expression.split("\n")
    return lines[number - 1] if number <= len(lines) else ""


def _problem(problem: str, source: str, column: int) -> tuple[int, str]:
    """Place and words of one error as cel-go has them."""
    if unknown := re.fullmatch(r"undeclared reference to '([\w.]+)' (.*)", problem):
        first, _, rest = unknown[1].partition(".")
        # The C++ runtime names the whole path and marks its last dot; cel-go names and marks where it starts.
        start = source.rfind(first, 0, column) + 1 if rest else column
        return start or column, f"undeclared reference to '{first}' {unknown[2]}"
    if missing := re.fullmatch(r"undefined field '(.*)' not found in struct '.*'", problem):
        return column, f"undefined field '{missing[1]}'"
    if scalar := re.fullmatch(r"expression of type '(.*)' cannot be the operand of a select operation", problem):
        return column, f"type '{scalar[1]}' does not support field selection"
    if problem == "has() argument must be a field selection":
        return column, "invalid argument to has() macro"
    if call := re.fullmatch(r"found no matching overload for '(\w+)' applied to '\((.*)\)'", problem):
        before = source[: column - 1]
        if before.endswith(f".{call[1]}"):
            target, _, rest = call[2].partition(", ")
            return column, f"found no matching overload for '{call[1]}' applied to '{target}.({rest})'"
    return column, problem


def _runtime_text(text: str) -> str:
    text = _bare(text)
    for pattern, words in _RUNTIME:
        if pattern.fullmatch(text):
            return pattern.sub(words, text)
    return text


def _bare(text: str) -> str:
    """Without the status code around it."""
    match = _WRAPPED.match(text)
    return match[1] if match else text
