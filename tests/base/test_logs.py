"""A log stays small, and its latest lines are there."""

from labkit.base import logs


def test_a_small_log_is_left_alone(tmp_path):
    (tmp_path / "lab.log").write_text("line\n")
    logs.Bounded(tmp_path / "lab.log").keep()
    assert (tmp_path / "lab.log").read_text() == "line\n"


def test_a_large_log_starts_afresh_while_its_program_goes_on_appending(tmp_path):
    path = tmp_path / "lab.log"
    with path.open("ab", buffering=0) as program:
        program.write(b"x" * (2 * logs.LIMIT) + b"last before\n")
        logs.Bounded(path).keep()
        program.write(b"first after\n")
    assert path.read_bytes() == b"first after\n"
    older = (tmp_path / "lab.log.1").read_bytes()
    assert len(older) == logs.LIMIT and older.endswith(b"last before\n")


def test_a_log_that_is_gone_is_no_trouble(tmp_path):
    logs.Bounded(tmp_path / "lab.log").keep()
