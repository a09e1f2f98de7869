"""What Istio's tasks promise, on live traffic; Istio's own sample manifests, unchanged."""

import pytest

from labkit.conformance.facts import running

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def ground(samples):
    """A sandbox of the facts' own, with Istio, Bookinfo and a client."""
    with running.throwaway() as cluster, running.ground_of(cluster, samples, forget=False) as result:
        yield result


@pytest.mark.parametrize("fact", running.FACTS, ids=lambda fact: f"fact-{fact.number}")
def test_fact(ground, fact):
    """Each judged once, and an unlucky draw in ten thousand aside, never wrongly."""
    outcome = running.outcome(ground, fact)
    assert outcome.verdict == "true", f"{fact.sentence}\nasked: {fact.asked}\nobserved: {outcome.observed}"
