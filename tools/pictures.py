"""The pictures of the README: ``python -m tools.pictures [FOLDER]`` (default: docs).

The graph and the policy matrix are drawn from the gallery's canned frames; ``--canned`` takes these alone, in seconds.
For the split view it starts a lab of its own in a temporary folder, opens JupyterLab in a headless Chromium, works the
view as a learner does, and stops everything. That takes two minutes; ``--width`` and ``--dark`` give other editions.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from labkit.base import settings
from labkit.clusters import sandbox
from labkit.install import bookinfo, gateway, istio
from labkit.lab.gallery import limiting, observing
from labkit.views import live
from tools import jupyterlab

SETUP = 'from labkit import Lab\nlab = Lab.connect()\nlab.apply("manifests/destination-rules.yaml");'
MOST_BYTES = 250_000

PAGE = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>A view</title>
<style>{css}{theme}</style></head>
<body><main><div id="view" style="width:{width}px;padding:4px"></div></main>
<script type="module">
const traits = {traits};
const heard = {{}};
const model = {{ get: (name) => traits[name], set() {{}}, save_changes() {{}}, off() {{}}, send() {{}},
  on: (event, act) => {{ (heard[event] ??= new Set()).add(act); }},
  update: (changed) => {{
    Object.assign(traits, changed);
    const acts = new Set(Object.keys(changed).flatMap((name) => [...(heard[`change:${{name}}`] ?? [])]));
    for (const act of acts) act();
  }} }};
window.model = model;
const code = new Blob([{module}], {{ type: "text/javascript" }});
const view = (await import(URL.createObjectURL(code))).default;
view.render({{ model, el: document.getElementById("view") }});
</script></body></html>"""
"""A view without a kernel: its own module, on traits that change by ``model.update`` alone."""

LIGHT = "body { margin: 0; background: #fff; }"
DARK = """body { margin: 0; background: #111; color: #fff; color-scheme: dark;
  --jp-ui-font-color1: #fff; --jp-ui-font-color2: #b3b3b3; --jp-border-color2: #616161; --jp-layout-color1: #111; }"""
"""As in JupyterLab's own themes."""


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=settings.CHECKOUT / "docs")
    parser.add_argument("--width", type=int, default=1500, help="pixels of the browser (1500)")
    parser.add_argument("--dark", action="store_true", help="in JupyterLab's dark theme")
    parser.add_argument("--canned", action="store_true", help="only those of canned frames, which need no lab")
    arguments = parser.parse_args()
    arguments.folder.mkdir(exist_ok=True)
    with jupyterlab.chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        canned(page, observing.graphed(), arguments.folder / "service-graph.png")
        canned(page, limiting.matrix(), arguments.folder / "policies.png")
    if arguments.canned:
        return
    with tempfile.TemporaryDirectory(prefix="labkit-pictures-") as folder:
        paths = settings.Paths(home=Path(folder) / "home")
        root = Path(folder) / "course"
        root.mkdir()
        os.environ["LABKIT_HOME"] = str(paths.home)
        try:
            api = sandbox.start(paths).client()
            istio.install(api)
            bookinfo.deploy(api, "default")
            gateway.expose(api, "default")
            if arguments.dark:
                _darken(paths)
            with jupyterlab.serving(paths, root) as server, jupyterlab.chromium() as browser:
                page = browser.new_page(viewport={"width": arguments.width, "height": 1000})
                split(page, server, root, arguments.folder / "split-view.png")
        finally:
            sandbox.stop(paths)


def split(page: Any, server: tuple[str, str], root: Path, path: Path) -> None:
    """The split view in the middle of a change: all v1, then a tenth to v2, a quarter, and a fifth to v3."""
    jupyterlab.write(root / "split.ipynb", SETUP, 'lab.split("reviews", v1=100, v2=0, v3=0)')
    notebook = jupyterlab.Notebook(page, server, "split.ipynb")
    page.keyboard.press("Control+b")  # the file browser aside
    notebook.run_all()
    view = page.locator(".lk-split")
    view.wait_for()
    page.wait_for_timeout(1_500)  # every proxy has the weights
    view.get_by_role("button", name="Start sending requests to reviews").click()
    page.wait_for_timeout(14_000)
    for version, weight in (("v2", 10), ("v2", 25), ("v3", 20)):
        field = view.get_by_role("spinbutton", name=f"Weight of {version}, as a number")
        field.fill(str(weight))
        field.press("Enter")
        page.wait_for_timeout(14_000)
    page.locator(".jp-InputPrompt").first.click()  # no ring around a field, no marks of the active cell
    take(page, page.locator(".jp-Cell").nth(1), view, path)
    notebook.close()


def canned(page: Any, view: live.LiveView, path: Path, *, width: int = 1000) -> None:
    """A view as a notebook draws it, without a notebook."""
    page.set_content(still(view, width=width))
    page.locator(".lk-view").wait_for()
    page.locator("#view").screenshot(path=path)
    weigh(path)


def still(view: live.LiveView, *, width: int = 1000, is_dark: bool = False) -> str:
    """The page that draws a view as it is now."""
    traits = {name: value for name, value in view.get_state().items() if not name.startswith("_")}
    values = {"traits": json.dumps(traits, default=str), "module": json.dumps(str(view._esm))}
    escaped = {name: value.replace("</", "<\\/") for name, value in values.items()}
    return PAGE.format(css=view._css, theme=DARK if is_dark else LIGHT, width=width, **escaped)


def take(page: Any, cell: Any, view: Any, path: Path) -> None:
    """A picture of a cell's code and the view below it, as large as they are."""
    top, box = cell.bounding_box(), view.bounding_box()
    bottom = box["y"] + box["height"] + 6
    page.set_viewport_size({"width": page.viewport_size["width"], "height": int(bottom + 60)})
    page.wait_for_timeout(700)  # the next batch is drawn at the new size
    left, above = top["x"] + 24, top["y"] + 4
    page.screenshot(
        path=path, clip={"x": left, "y": above, "width": box["x"] + box["width"] + 6 - left, "height": bottom - above}
    )
    weigh(path)


def weigh(path: Path) -> None:
    """Print a picture's size; one too large for a README ends the program."""
    bytes_written = path.stat().st_size
    print(f"{path}: {bytes_written:,} bytes")
    if bytes_written > MOST_BYTES:
        raise SystemExit(f"{path} is larger than {MOST_BYTES:,} bytes: take a smaller --width")


def _darken(paths: settings.Paths) -> None:
    themes = paths.home / "jupyter" / "settings" / "@jupyterlab" / "apputils-extension" / "themes.jupyterlab-settings"
    themes.parent.mkdir(parents=True, exist_ok=True)
    themes.write_text('{"theme": "JupyterLab Dark"}')


if __name__ == "__main__":
    main()
