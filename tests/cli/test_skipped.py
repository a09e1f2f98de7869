"""``./lab test`` counts what was skipped, and names it."""

from labkit.cli import skipped

REPORT = """<testsuites><testsuite>
<testcase classname="tests.mesh.test_a" name="test_one[x]"><skipped message="no Envoy here"/></testcase>
<testcase classname="tests.mesh.test_a" name="test_one[y]"><skipped message="no Envoy here"/></testcase>
<testcase classname="tests.mesh.test_a" name="test_two"><skipped type="pytest.skip"/></testcase>
<testcase classname="tests.mesh.test_a" name="test_three"/>
</testsuite></testsuites>"""


def test_skipped_tests_are_counted_and_named_with_their_reason(tmp_path):
    (tmp_path / "report.xml").write_text(REPORT)
    assert skipped.summary(skipped.skips(tmp_path / "report.xml")).splitlines() == [
        "  3 tests skipped",
        "    tests.mesh.test_a.test_one (2 cases): no Envoy here",
        "    tests.mesh.test_a.test_two: no reason given",
    ]


def test_a_run_without_skips_says_so(tmp_path):
    assert skipped.summary(skipped.skips(tmp_path / "none.xml")) == "  no tests skipped"
