"""The forms of names, each a function from text to complaints."""

import ipaddress
import re
from collections.abc import Callable

Form = Callable[[str], list[str]]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_PERCENT = "[0-9]+%"


def _regex(message: str, pattern: str, *examples: str) -> str:
    quoted = [f"'{example}', " for example in examples]
    text = " or ".join(quoted).removesuffix(", ")
    return f"{message} (e.g. {text}, regex used for validation is '{pattern}')"


LABEL_TEXT = _regex(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-',"
    " and must start and end with an alphanumeric character",
    _LABEL,
    "my-name",
    "123-abc",
)
SUBDOMAIN_TEXT = _regex(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.',"
    " and must start and end with an alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
LABEL_1035_TEXT = _regex(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-',"
    " start with an alphabetic character, and end with an alphanumeric character",
    _LABEL_1035,
    "my-name",
    "abc-123",
)
_QUALIFIED_BODY = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)
_QUALIFIED_TEXT = _regex(_QUALIFIED_BODY, _QUALIFIED, "MyName", "my.name", "123-abc")
_VALUE_TEXT = _regex(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.',"
    " and must start and end with an alphanumeric character",
    _VALUE,
    "MyValue",
    "my_value",
    "12345",
)
_CONFIG_KEY_TEXT = _regex(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _CONFIG_KEY,
    "key.name",
    "KEY_NAME",
    "key-name",
)
_PERCENT_TEXT = _regex(
    "a valid percent string must be a numeric string followed by an ending '%'", _PERCENT, "1%", "93%"
)


_UNDERSCORED_LABEL = "_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_UNDERSCORED = rf"{_UNDERSCORED_LABEL}(\.{_UNDERSCORED_LABEL})*"
_UNDERSCORED_TEXT = _regex(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.',"
    " and must start and end with an alphanumeric character",
    _UNDERSCORED,
    "example.com",
)
_WILDCARD = rf"\*\.{_SUBDOMAIN}"
_WILDCARD_TEXT = _regex(
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of"
    " lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    _WILDCARD,
    "*.example.com",
)
_HEADER = "[-A-Za-z0-9]+"
_HEADER_TEXT = _regex("a valid HTTP header must consist of alphanumeric characters or '-'", _HEADER, "X-Header-Name")


def _checked(text: str, pattern: str, complaint: str, limit: int, unit: str = "characters") -> list[str]:
    problems = [f"must be no more than {limit} {unit}"] if len(text) > limit else []
    return problems if re.fullmatch(pattern, text) else [*problems, complaint]


MIXED_CASE = "may have mixed case, but should otherwise match: "
"""Before the form of a kind's name."""


def label(text: str) -> list[str]:
    """RFC 1123 label."""
    has_dots_alone = re.fullmatch(_SUBDOMAIN, text)
    return _checked(text, _LABEL, "must not contain dots" if has_dots_alone else LABEL_TEXT, 63)


def label_1035(text: str) -> list[str]:
    """RFC 1035 label."""
    return _checked(text, _LABEL_1035, LABEL_1035_TEXT, 63)


def subdomain(text: str) -> list[str]:
    """RFC 1123 subdomain."""
    return _checked(text, _SUBDOMAIN, SUBDOMAIN_TEXT, 253)


def underscored_subdomain(text: str) -> list[str]:
    """RFC 1123 subdomain in which underscores may stand."""
    return _checked(text, _UNDERSCORED, _UNDERSCORED_TEXT, 253)


def wildcard_subdomain(text: str) -> list[str]:
    """``*.example.com``."""
    return _checked(text, _WILDCARD, _WILDCARD_TEXT, 253)


def header(text: str) -> list[str]:
    """The name of an HTTP header."""
    return [] if re.fullmatch(_HEADER, text) else [_HEADER_TEXT]


def path_segment(text: str) -> list[str]:
    """Anything that can be a part of a path."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{part}'" for part in ("/", "%") if part in text]


def qualified(text: str) -> list[str]:
    """``name`` or ``example.com/name``."""
    prefix, slash, name = text.rpartition("/")
    if text.count("/") > 1:
        body = _QUALIFIED_TEXT.replace("must consist", "a valid label key must consist", 1)
        return [f"{body} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    problems = []
    if slash:
        if not prefix:
            problems.append("prefix part must be non-empty")
        problems += [f"prefix part {problem.replace('characters', 'bytes')}" for problem in _prefix(prefix)]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > 63:
        problems.append("name part must be no more than 63 bytes")
    if not re.fullmatch(_QUALIFIED, name):
        problems.append(f"name part {_QUALIFIED_TEXT}")
    return problems


def _prefix(prefix: str) -> list[str]:
    if len(prefix) > 253:
        return ["must be no more than 253 characters"]
    return subdomain(prefix) if prefix else []


def label_value(text: str) -> list[str]:
    """The value of a label."""
    return _checked(text, _VALUE, _VALUE_TEXT, 63, "bytes")


def config_key(text: str) -> list[str]:
    """A key of a ConfigMap or Secret."""
    problems = _checked(text, _CONFIG_KEY, _CONFIG_KEY_TEXT, 253)
    if text == ".":
        problems.append("must not be '.'")
    elif text.startswith(".."):
        problems.append("must not be '..'" if text == ".." else "must not start with '..'")
    return problems


def port_name(text: str) -> list[str]:
    """The name of a port."""
    problems = []
    if len(text) > 15:
        problems.append("must be no more than 15 characters")
    if not re.fullmatch("[-a-z0-9]+", text):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", text):
        problems.append("must contain at least one letter (a-z)")
    if "--" in text:
        problems.append("must not contain consecutive hyphens")
    if text[:1] == "-" or text[-1:] == "-":
        problems.append("must not begin or end with a hyphen")
    return problems


def env_name(text: str) -> list[str]:
    """The name of an environment variable."""
    bad = [c for c in text if not ("!" <= c <= "~" and c != "=") and c != " "]
    return (
        ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
        if (bad)
        else []
    )


def percent(text: str) -> list[str]:
    """``25%``."""
    return [] if re.fullmatch(_PERCENT, text) else [_PERCENT_TEXT]


def ip(text: str) -> list[str]:
    """An address."""
    padded = re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}", text)
    sloppy = ".".join(str(int(part)) for part in text.split(".")) if padded else text
    try:
        address = ipaddress.ip_address(sloppy)
    except ValueError:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    if sloppy != text:
        return ["must not have leading 0s"]
    if address.version == 6 and address.ipv4_mapped:
        return ["must not be an IPv4-mapped IPv6 address"]
    return []


def cidr(text: str) -> list[str]:
    """A network."""
    address, slash, length = text.partition("/")
    padded = re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}", address)
    sloppy = ".".join(str(int(part)) for part in address.split(".")) if padded else address
    try:
        interface = ipaddress.ip_interface(f"{sloppy}/{int(length)}")
        is_fine = slash and length.isascii() and length.isdigit()
    except ValueError:
        is_fine = False
    if not is_fine:
        return ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]
    if sloppy != address or str(int(length)) != length:
        return ["must not have leading 0s in IP or prefix length"]
    if interface.version == 6 and interface.ip.ipv4_mapped:
        return ["must not have an IPv4-mapped IPv6 address"]
    if interface.ip != interface.network.network_address:
        return ["must not have bits set beyond the prefix length"]
    return []
