"""What a cell did is seen wherever it stands in the cell."""

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import RichOutput

from labkit.telemetry import liveness
from labkit.views import results

APPLIED = (
    "results.Changes(changes=(results.Change(what='virtualservice/reviews', action='created'),), "
    "live=liveness.Liveness(proxies=7, live=7))"
)


@pytest.fixture
def outputs():
    """Runs a cell: what it showed, in order, as text."""
    shell = InteractiveShell.instance()
    shell.user_ns |= {"results": results, "liveness": liveness}
    shown: list[str] = []

    class Publisher(type(shell.display_pub)):
        def publish(self, data, metadata=None, **_):
            shown.append(RichOutput(data=data).data["text/plain"])

    own, shell.display_pub = shell.display_pub, Publisher(parent=shell)

    def run(cell: str) -> list[str]:
        shown.clear()
        shell.run_cell(cell, store_history=True).raise_error()
        return list(shown)

    yield run
    shell.display_pub = own
    InteractiveShell.clear_instance()


def test_a_change_in_the_middle_of_a_cell_is_seen(outputs):
    assert outputs(f"{APPLIED}.shown()\n1") == ["virtualservice/reviews created"]


def test_a_change_that_is_also_the_cells_value_is_seen_once(outputs):
    assert outputs(f"{APPLIED}.shown()") == ["virtualservice/reviews created"]


def test_two_alike_are_two(outputs):
    assert len(outputs(f"{APPLIED}.shown()\n{APPLIED}.shown()")) == 2


def test_a_result_that_is_kept_can_be_shown_again_by_a_later_cell(outputs):
    outputs(f"kept = {APPLIED}.shown()")
    assert outputs("kept") == ["virtualservice/reviews created"]


def test_outside_of_a_notebook_nothing_is_shown(capsys):
    results.Done(sentence="Done.").shown()
    assert capsys.readouterr().out == ""
