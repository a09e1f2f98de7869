"""The mock exam: what is drawn, what it is worth, and what the report says. Its tasks are exercises of the course, each
solved and mis-solved by their own tests."""

from collections import Counter

import pytest

from labkit.exercises import course, exam, verdict

DRAWN = [exam.draw(seed) for seed in range(50)]


def sitting(tasks=DRAWN[0]):
    return exam.Sitting(seed=0, started=1000.0, tasks=tasks)


def test_sixteen_tasks_come_in_the_proportions_of_the_exam():
    for tasks in DRAWN:
        assert len(set(tasks)) == 16
        assert Counter(exam.domain_of(id).title for id in tasks) == {d.title: d.tasks for d in exam.DOMAINS}
    assert sum(d.percent for d in exam.DOMAINS) == 100
    assert sum(d.tasks for d in exam.DOMAINS) == 16


def test_a_second_try_repeats_only_what_has_no_other():
    again = exam.draw(7, previous=DRAWN[0])
    for domain in exam.DOMAINS:
        ids = exam.pool(domain)
        own = {id for id in again if id in ids}
        repeated = own & set(DRAWN[0])
        fresh = len(set(ids) - set(DRAWN[0]))
        assert len(repeated) == max(0, len(own) - fresh)


def test_a_seed_draws_the_same_again():
    assert exam.draw(3) == exam.draw(3)
    assert len(set(DRAWN)) > 40


def test_every_task_asks_for_work_and_can_be_solved():
    for domain in exam.DOMAINS:
        assert all(course.find(id).solution for id in exam.pool(domain))


@pytest.mark.parametrize(("failed", "passes"), [(0, True), (5, True), (6, False), (16, False)])
def test_68_points_pass(failed, passes):
    own = sitting()
    # The tasks of the first domain are worth the most, those of the second the least.
    for id in sorted(own.tasks, key=exam.points)[failed:]:
        own.record(id, verdict.passed("a", "b"), 1100.0)
    assert own.is_passed is passes


def test_the_last_verdict_counts_and_survives_a_file():
    own = sitting()
    own.record(own.tasks[0], verdict.passed("a", "b"), 1100.0)
    own.record(own.tasks[0], verdict.not_yet("a", "something else", cause="why"), 1200.0)
    again = exam.Sitting.of_json(own.as_json())
    assert again.score == 0
    assert again.results[own.tasks[0]]["seconds"] == 200


def test_the_report_tells_what_was_seen_of_each_task():
    own = sitting()
    own.record(own.tasks[0], verdict.passed("a", "it was there"), 1100.0)
    own.record(own.tasks[1], verdict.not_yet("five", "four", cause="one is missing"), 1100.0)
    text = "\n".join(exam.report(own))
    assert "seen: it was there" in text
    assert "expected: five" in text
    assert "likely: one is missing" in text
    assert "not checked" in text
    assert text.endswith("not passed")


def test_after_two_hours_it_is_over():
    assert sitting().left(1000.0 + 7200) == 0
