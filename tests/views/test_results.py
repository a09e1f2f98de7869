"""What cells end in reads the same everywhere and is free of anything random."""

from labkit.telemetry import liveness
from labkit.views import results


def test_printed_is_what_a_terminal_shows():
    printed = results.Printed(command="kubectl get pods", text="NAME\na", code=0)
    assert (repr(printed), str(printed), printed.lines) == ("NAME\na", "NAME\na", ["NAME", "a"])
    assert "$ kubectl get pods" in printed._repr_html_()


def test_changes_have_a_line_an_object_and_warnings_first():
    change = results.Change(what="virtualservice.networking.istio.io/reviews", action="created")
    changes = results.Changes(
        changes=[change], warnings=["it is deprecated"], live=liveness.Liveness(proxies=7, live=7)
    )
    assert repr(changes) == "Warning: it is deprecated\nvirtualservice.networking.istio.io/reviews created"
    assert "live on 7 of 7 proxies" in changes._repr_html_()


def test_a_refusal_stands_in_the_text():
    state = liveness.Liveness(proxies=7, live=0, refusing=("reviews-v1.default",))
    assert "refused by reviews-v1.default" in repr(results.Changes(changes=[], live=state))
    assert repr(results.Changes(changes=[], live=liveness.Silence())) == "nothing to do"


def test_no_change_is_said():
    assert repr(results.Changes(changes=[])) == "nothing to do"


def test_done_has_its_details_and_the_command_beside_it():
    outcome = results.Done(sentence="Ready.", command="kubectl apply -f a.yaml", details=["kept b"])
    assert repr(outcome) == "Ready.\n  kept b\nbeside it: kubectl apply -f a.yaml"
    assert "✓ Ready." in outcome._repr_html_() and "<li>kept b</li>" in outcome._repr_html_()


def test_done_without_more_is_a_sentence():
    assert repr(results.Done(sentence="Ready.")) == "Ready."


def test_a_note_is_its_text():
    assert repr(results.Note(text="kind: Gateway", is_code=True)) == "kind: Gateway"
    assert "<pre" in results.Note(text="x", is_code=True)._repr_html_()
