"""Certificates and padlocks in JupyterLab: a chain opens by keyboard, and a line of the mesh has its padlock."""

import pytest

pytestmark = pytest.mark.browser

WITHIN = 60_000.0
CELLS = (
    "from labkit import Lab\nlab = Lab.connect()",
    'lab.certificates("reviews")',
    'view = lab.mesh()\nlab.send("/productpage", count=8)\nview.look()\nview',
)


def test_a_chain_opens_by_keyboard_and_lines_have_padlocks(open_notebook):
    notebook = open_notebook(cells=CELLS)
    page = notebook.page
    notebook.run_all()
    panel = page.locator(".lk-certificates")
    panel.wait_for(timeout=WITHIN)
    first = panel.locator("summary").first
    first.press("Enter")
    chain = panel.locator(".lk-chain").first
    chain.get_by_text("O=cluster.local").first.wait_for(timeout=WITHIN)
    assert first.inner_text().strip() == "spiffe://cluster.local/ns/default/sa/bookinfo-reviews"
    button = panel.get_by_role("button", name="Stop looking at the certificates")
    button.press("Space")
    panel.get_by_text("stopped").wait_for(timeout=WITHIN)
    mesh = page.locator(".lk-meshmap")
    mesh.locator(".lk-lock-closed").first.wait_for(timeout=WITHIN)
    mesh.locator("summary").press("Enter")
    mesh.get_by_role("cell", name="mutual TLS").first.wait_for(timeout=WITHIN)
