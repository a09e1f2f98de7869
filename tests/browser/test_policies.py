"""The policy matrix in JupyterLab: by keyboard from a cell to the policy that decided it."""

import pytest

pytestmark = pytest.mark.browser

WITHIN = 60_000.0
CELLS = (
    "from labkit import Lab\nlab = Lab.connect()",
    """viewer = {
    "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "viewer"},
    "spec": {"selector": {"matchLabels": {"app": "details"}},
             "rules": [{"from": [{"source": {"serviceAccounts": ["bookinfo-productpage"]}}]}]},
}
lab.apply(viewer, quiet=True)
view = lab.policies()
lab.delete(viewer, quiet=True)
view""",
)


def test_a_cell_leads_to_the_policy_that_decided(open_notebook):
    notebook = open_notebook(cells=CELLS)
    notebook.run_all()
    matrix = notebook.page.locator(".lk-policies")
    matrix.wait_for(timeout=WITHIN)
    refused = matrix.get_by_role("button", name="ratings-v1 calls details: refused by the policies, measured: 403")
    refused.press("Enter")
    matrix.get_by_text("no ALLOW rule applies").wait_for(timeout=WITHIN)
    assert refused.get_attribute("aria-pressed") == "true"
    matrix.get_by_role("button", name="productpage-v1 calls details: allowed").press("Space")
    matrix.get_by_text("rule 1 of AuthorizationPolicy default/viewer (ALLOW)").wait_for(timeout=WITHIN)
    matrix.get_by_role("button", name="Measure again").press("Enter")
    again = matrix.get_by_role("button", name="ratings-v1 calls details: allowed by the policies, measured: 200")
    again.wait_for(timeout=WITHIN)
