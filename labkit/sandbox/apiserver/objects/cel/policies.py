"""A ValidatingAdmissionPolicy, asked about one write; pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from labkit.kube.resources import Object
from labkit.sandbox.apiserver.objects.cel import engine

INVALID = "Invalid"
"""The reason of a denial whose validation names none."""

LONGEST_MESSAGE = 5 * 1024
"""Bytes of a message that an expression makes."""

USED = re.compile(r"(?<![\w.])variables\.(\w+)")
"""Where an expression uses a variable of the policy."""


@dataclass(frozen=True, kw_only=True)
class Denial:
    """A validation that does not hold, or that cannot be evaluated."""

    message: str
    reason: str = INVALID
    is_error: bool = False
    """Whether it could not be evaluated: then the policy's ``failurePolicy`` decides."""


@dataclass(kw_only=True)
class Question:
    """One write, as a policy's expressions see it."""

    spec: Object
    """The policy's."""

    inputs: Mapping[str, Any]
    """``object``, ``oldObject``, ``request``, ``params``, ``namespaceObject`` and ``authorizer``."""

    _values: dict[str, Any] = field(default_factory=dict)

    def is_meant(self) -> bool:
        """Whether every match condition holds; EvaluationError when one has no value and none is false."""
        problems = []
        for condition in self.spec.get("matchConditions") or ():
            try:
                if self._value(condition["expression"]) is not True:
                    return False
            except engine.EvaluationError as e:
                problems.append(str(e))
        if problems:
            raise engine.EvaluationError(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")
        return True

    def denials(self) -> Iterator[Denial]:
        """What the validations have against the write, in their order."""
        for validation in self.spec.get("validations") or ():
            try:
                if self._value(validation["expression"]) is not True:
                    reason = validation.get("reason") or INVALID
                    yield Denial(message=self._message(validation), reason=reason)
            except engine.EvaluationError as e:
                yield Denial(message=str(e), is_error=True)

    def _value(self, expression: str) -> Any:
        try:
            return engine.evaluate(expression, {**self.inputs, "variables": self._variables(expression)})
        except engine.EvaluationError as e:
            raise engine.EvaluationError(f"expression '{expression}' resulted in error: {e}") from e

    def _variables(self, expression: str) -> Mapping[str, Any]:
        """Those that an expression uses, each evaluated when it is first used."""
        declared = {v["name"]: v["expression"] for v in self.spec.get("variables") or ()}
        for name in USED.findall(expression):
            if name in declared and name not in self._values:
                inner = declared[name]
                try:
                    self._values[name] = engine.evaluate(inner, {**self.inputs, "variables": self._variables(inner)})
                except engine.EvaluationError as e:
                    raise engine.EvaluationError(f'composited variable "{name}" fails to evaluate: {e}') from e
        return dict(self._values)

    def _text(self, expression: str) -> str:
        """What a message's expression says; empty where it cannot be used."""
        try:
            value = self._value(expression) if expression else ""
        except engine.EvaluationError:
            return ""
        return value if isinstance(value, str) else ""

    def _message(self, validation: Object) -> str:
        text = self._text(validation.get("messageExpression") or "").strip()
        if text and "\n" not in text and len(text.encode()) <= LONGEST_MESSAGE:
            return text
        message = str(validation.get("message") or "")
        return message.strip() if message else f"failed expression: {validation['expression'].strip()}"
