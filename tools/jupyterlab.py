"""JupyterLab in a headless Chromium: what browser tests and pictures drive."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labkit.base import settings
from labkit.cli import jupyter

LESSON = 120_000.0
"""Milliseconds for all cells of a lesson; ten seconds are usual."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Names under which systems have it; the first one that is there is used."""

ARGUMENTS = (
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--force-color-profile=srgb"),
)

READY = 60_000.0
"""Milliseconds for a page or a kernel to be there; two seconds are usual."""


def browser_program() -> str | None:
    """The path of this machine's Chromium, if it has one."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A running headless Chromium, ended at the end."""
    from playwright.sync_api import sync_playwright

    # Its own sandbox needs more than a container's root has.
    rootless = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_program(), headless=True, args=[*ARGUMENTS, *rootless]
        )
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def serving(paths: settings.Paths, root: Path) -> Iterator[tuple[str, str]]:
    """JupyterLab as ``./lab up`` starts it, on a folder of notebooks; base URL and token from its own file."""
    url = jupyter.start(paths, root=root)
    try:
        yield url.partition("/lab/")[0], url.partition("token=")[2]
    finally:
        jupyter.stop(paths)


def write(path: Path, *cells: str) -> Path:
    """A notebook of code cells."""
    import nbformat.v4

    made = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(made, path)
    return path


class Notebook:
    """One notebook, open in one tab."""

    def __init__(self, page: Any, server: tuple[str, str], name: str) -> None:
        self.page, self.name = page, name
        base, token = server
        page.goto(f"{base}/lab/tree/{name}?token={token}&reset")
        page.locator(".jp-NotebookPanel .jp-Cell").first.wait_for(timeout=READY)
        self.until_idle()

    def until_idle(self) -> None:
        """Wait until its kernel has nothing to do; the status bar says so, the notebook's circle a moment too early."""
        self.page.get_by_text("(ipykernel) | Idle").wait_for(timeout=READY)

    def run_all(self) -> None:
        """Run every cell, by the menu as a learner does, and wait until the last one is through."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        self.page.wait_for_function(
            """() => {
                const all = [...document.querySelectorAll(".jp-NotebookPanel .jp-InputPrompt")];
                const said = all.map(prompt => prompt.textContent);
                return said.some(text => /[0-9]/.test(text)) && !said.some(text => text.includes("*"));
            }""",
            timeout=LESSON,
        )
        self.until_idle()

    def close(self) -> None:
        """Shut its kernel down, so that nothing of it runs on, and close the tab; once."""
        if self.page.is_closed():
            return
        self.page.evaluate(
            """async () => {
                const token = new URLSearchParams(location.search).get("token");
                const xsrf = (document.cookie.match(/_xsrf=([^;]+)/) || [])[1] || "";
                const headers = {"X-XSRFToken": xsrf};
                const base = location.origin + "/api/sessions";
                for (const session of await (await fetch(base, {headers})).json())
                    await fetch(`${base}/${session.id}`, {method: "DELETE", headers});
            }"""
        )
        self.page.close()
