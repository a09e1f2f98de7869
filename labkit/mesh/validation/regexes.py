"""Regular expressions of RE2, the engine of Envoy and of Istio; problems in the words of Istio's own parser."""

import re
import warnings

LONGEST = 1024
"""Bytes; a longer one could become too large a program for Envoy."""

_ADVICE = "; Istio uses RE2 style regex-based match (https://github.com/google/re2/wiki/Syntax)"
_PERL = re.compile(r"\(\?(?![imsU-]+[:)]|:|P<\w|<\w)(<?[=!]|[^)]?)")
_BACKREFERENCE = re.compile(r"\\[1-9]")
_ESCAPED = re.compile(r"\\.", re.DOTALL)


def problem(pattern: str, where: str) -> str:
    """``"uri": error parsing regexp: …``; empty for an expression that RE2 takes and Istio allows."""
    if not pattern:
        return f'"{where}": regex string match should not be empty'
    if len(pattern.encode()) > LONGEST:
        return f'"{where}": regex is too large, max length allowed is {LONGEST}'
    complaint = parse_problem(pattern)
    return f'"{where}": {complaint}{_ADVICE}' if complaint else ""


def parse_problem(pattern: str) -> str:
    """``error parsing regexp: …``, as Go says it."""
    complaint = _parsed(pattern)
    return f"error parsing regexp: {complaint}" if complaint else ""


def _parsed(pattern: str) -> str:
    # What is escaped has no meaning of its own, and offsets must stay.
    plain = _ESCAPED.sub("\\\\x", pattern)
    if perl := _PERL.search(plain):
        return f"invalid or unsupported Perl syntax: `{perl.group()}`"
    if reference := _BACKREFERENCE.search(pattern):
        return f"invalid escape sequence: `{reference.group()}`"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(plain.replace("\\x", "x ").replace("[[:", "[").replace("(?U", "(?i"))
    except re.error as e:
        return _worded(pattern, e)
    return ""


def _worded(pattern: str, problem: re.error) -> str:
    at = problem.pos or 0
    match problem.msg.split(",")[0]:
        case "missing )":
            return f"missing closing ): `{pattern}`"
        case "unbalanced parenthesis":
            return f"unexpected ): `{pattern}`"
        case "nothing to repeat":
            return f"missing argument to repetition operator: `{pattern[at : at + 1]}`"
        case "multiple repeat":
            return f"invalid nested repetition operator: `{pattern[at - 1 : at + 1]}`"
        case "unterminated character set":
            return f"missing closing ]: `{pattern[at:]}`"
        case text if text.startswith("bad character range"):
            return f"invalid character class range: `{text.rpartition(' ')[2]}`"
    return ""
