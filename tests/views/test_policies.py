"""The policy matrix on fakes: what policies say beside what was measured."""

from labkit.base import errors
from labkit.mesh.explain.matrix import Cell
from labkit.views import policies


def cell(caller, service, *, allowed=True, policy="AuthorizationPolicy default/viewer"):
    why = f"rule 1 of {policy} (ALLOW)" if allowed else "no ALLOW rule applies"
    return Cell(
        caller=caller, service=service, method="GET", path="/", port=80, is_allowed=allowed, because=why, policy=policy
    )


CELLS = [
    cell("web", "cart"),
    cell("web", "bank", allowed=False),
    cell("job", "cart", allowed=False),
    cell("job", "bank"),
]
AS_SAID = {("web", "cart"): 200, ("web", "bank"): 403, ("job", "cart"): 403, ("job", "bank"): 200}


def view(statuses=AS_SAID, cells=CELLS):
    return policies.PolicyView(lambda: cells, lambda _: statuses).look()


def test_each_pair_has_what_is_asked_and_what_is_measured():
    shown = view()
    assert [(c["caller"], c["service"], c["allowed"], c["status"]) for c in shown.cells] == [
        ("web", "cart", True, 200),
        ("web", "bank", False, 403),
        ("job", "cart", False, 403),
        ("job", "bank", True, 200),
    ]
    assert shown.allowed == {"cart": ["web"], "bank": ["job"]}
    assert shown.differences == []


def test_an_answer_of_the_application_is_an_answer():
    assert view({**AS_SAID, ("web", "cart"): 404}).differences == []


def test_a_difference_is_explained():
    shown = view({("web", "cart"): 403, ("web", "bank"): 200, ("job", "bank"): 0})
    assert [line.partition(":")[0] for line in shown.differences] == ["web → cart", "web → bank", "job → bank"]
    assert "went past the sidecar" in shown.differences[1]
    assert "lab.mtls" in shown.differences[2]


def test_a_pod_without_curl_is_not_measured():
    shown = view({})
    assert "not measured" in repr(shown)
    assert shown.differences == []


def test_the_table_twin_and_the_static_form_say_the_same():
    shown = view()
    assert next(iter(shown.table()["why"])) == "rule 1 of AuthorizationPolicy default/viewer (ALLOW)"
    for text in (shown.static_html(), repr(shown)):
        assert "bank" in text
        assert "refused" in text


def test_names_never_become_markup():
    shown = view({}, [cell("<img src=x>", "cart")])
    assert "<img" not in shown.static_html()


def test_what_cannot_be_asked_is_said():
    def ask():
        raise errors.SetupError("There is no cluster.", next_step="./lab up")

    assert "There is no cluster." in policies.PolicyView(ask, lambda _: {}).look().message
