"""Envoys that run have what Istio would send them: recorded scenes, asked of their admin pages."""

import pytest

from labkit.conformance import answers, comparing, deployed
from labkit.conformance.facts import running
from tests import recorded

pytestmark = pytest.mark.sandbox

ANSWERS = answers.Answers(recorded.ISTIO.place, with_capture=True)
CASES = ("weight-missing-on-one-of-two", "mtls-port-level", "gateway-for-one-host", "several-policies-one-workload")


@pytest.fixture(scope="module")
def comparison():
    with running.throwaway() as cluster:
        yield comparing.Comparison(ANSWERS, deployed.Deployed(cluster, ANSWERS.extra()).dumps)


@pytest.mark.parametrize("name", CASES)
def test_running_envoys_have_what_istio_sends(comparison, name):
    (case,) = ANSWERS.chosen(names=[name])
    assert comparison.outcome(case).differences == ()
