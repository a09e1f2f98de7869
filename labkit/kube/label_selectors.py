"""Label selectors as Kubernetes writes them: ``matchLabels`` and ``matchExpressions``."""

from collections.abc import Mapping
from typing import Any


def fits(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether labels fit a label selector; an empty one fits all."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for term in selector.get("matchExpressions") or []:
        key, values = term.get("key"), term.get("values") or []
        holds = {
            "In": labels.get(key) in values,
            "NotIn": labels.get(key) not in values,
            "Exists": key in labels,
            "DoesNotExist": key not in labels,
        }
        if not holds.get(str(term.get("operator")), False):
            return False
    return True
