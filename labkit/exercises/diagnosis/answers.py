"""Why an answer is not the one that it should be: the proxies' doing first, then the application's own."""

import re
from collections.abc import Mapping
from typing import Any

from labkit.exercises.diagnosis import cause, matches, objects, refusals, way
from labkit.exercises.diagnosis.cause import Cause
from labkit.exercises.diagnosis.objects import Objects
from labkit.exercises.evidence import Evidence
from labkit.traffic import fetching


def rewritten(action: Mapping[str, Any], path: str) -> str:
    """The path that the application sees."""
    rewrite, pattern = action.get("prefix_rewrite"), action.get("regex_rewrite") or {}
    if pattern:
        return re.sub(
            (pattern.get("pattern") or {}).get("regex", ""), str(pattern.get("substitution", path)), path, count=1
        )
    return str(rewrite) if rewrite else path


def causes(evidence: Evidence, mesh: Objects, hop: way.Hop, answer: fetching.Answer) -> list[Cause]:
    """Why a path is not answered as it should be; the application's own no comes after all that the proxy does."""
    findings = way.follow(evidence, mesh, [hop])
    if not findings.is_as_asked:
        return list(findings.causes)
    decision = findings.last
    if decision is None or not answer.status:
        return []
    if refused := refusals.causes(evidence, mesh, [hop], status=answer.status):
        return refused
    title, service = matches.rule_title(decision.route, decision, mesh), objects.short(hop.host)
    path = rewritten(decision.action, hop.ask.path)
    if answer.status in (301, 302, 303, 307, 308):
        to = answer.headers.get("location", "elsewhere")
        return [cause.shown(f"{service} itself answers {answer.status} and sends the caller to {to}")]
    if path != hop.ask.path:
        return [
            cause.shown(
                f"{title} leads to {service}, and `rewrite` changes {hop.ask.path} to {path}, which the application "
                f"answers with {answer.status}"
            )
        ]
    return [cause.shown(f"{title} leads {path} to {service}, and the application itself answers {answer.status}")]
