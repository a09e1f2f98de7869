"""Lines of fields in YAML."""

import pytest

from labkit.kube import positions

TEXT = """kind: VirtualService
spec:
  hosts: [reviews]
  http:
  - match:
    - uri: {prefix: /a}
    route:
    - destination: {host: reviews}
  - timeout: 3s
"""


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("kind", 1),
        ("spec.http[0]", 5),
        ("spec.http[0].match[0].uri.prefix", 6),
        ("spec.http[1].timeout", 9),
        ("spec.http[1].retries.attempts", 9),
        ("spec.http[7]", 4),
        ("", 1),
    ],
)
def test_a_field_or_its_nearest_parent_has_a_line(field, line):
    assert positions.line(TEXT, field) == line
