"""The page side of a view: its ES module with those that it imports, and its styles behind those that all views share.

A notebook hands a page one text for a widget. Each file stays a module of its own in it: the text gives every file a
URL of the page's own and lets the imports name these, so there is nothing to bundle and nothing to fetch.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_IMPORT = re.compile(r'\bfrom "\./([\w-]+\.js)"')

_LOADER = """const texts = %s;
const urls = {};
for (const [name, text] of Object.entries(texts)) {
  const linked = text.replace(/\\bfrom "\\.\\/([\\w-]+\\.js)"/g, (_, file) => `from "${urls[file]}"`);
  urls[name] = URL.createObjectURL(new Blob([linked], { type: "text/javascript" }));
}
export const view = await import(urls[%s]);
const { opened } = await import(urls["opening.js"]);
export default { initialize: opened, ...view.default };
"""

_OPENING = "opening.js"
"""What every view does when a notebook is opened."""


@cache
def module(name: str) -> str:
    """The ES module of a view, ``module("split")`` for ``split.js``; what it imports comes with it."""
    root = f"{name}.js"
    texts = {file: _text(file) for file in dict.fromkeys((_OPENING, *_with_imports(root)))}
    return _LOADER % (json.dumps(texts), json.dumps(root))


def _with_imports(file: str) -> Iterator[str]:
    """What a file imports, at any depth, before the file itself."""
    for imported in _IMPORT.findall(_text(file)):
        yield from _with_imports(imported)
    yield file


def styles(*names: str) -> str:
    """Its style sheet."""
    return "".join(_text(f"{name}.css") for name in ("base", *names))


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
