"""Drawn queries answered as a real Prometheus 2.42 answers them: recorded ones everywhere, other ones where it runs."""

import json
import lzma

import pytest

from labkit.sandbox.apps.prometheus.promql.errors import UnsupportedError
from tests.sandbox.apps.prometheus import answers, drawing, real, recording


@pytest.fixture(scope="module")
def source():
    return answers.Drawn(drawing.series())


def differences(asked, source):
    for query, expected in asked:
        try:
            difference = answers.difference(query["query"], expected, answers.ours(source, query))
        except UnsupportedError as e:
            difference = str(e)
        if difference:
            yield query, difference


def test_recorded_answers_are_ours(source):
    recorded = json.loads(lzma.decompress(recording.FILE.read_bytes()))
    assert len(recorded) == recording.COUNT
    assert [r["asked"] for r in recorded] == list(recording.queries(recording.COUNT, recording.SEED))
    assert list(differences([(r["asked"], r["answer"]) for r in recorded], source)) == []


@pytest.mark.skipif(not real.PROGRAM, reason="no prometheus on this machine's PATH")
def test_the_machines_prometheus_answers_what_we_do(source, tmp_path):
    with real.prometheus(tmp_path, drawing.series()) as url:
        asked = [(query, real.ask(url, query)) for query in recording.queries(300, 7)]
    assert list(differences(asked, source)) == []
