"""What the API says of its own types and fields, read from the installed client.

The texts belong to Kubernetes; they are looked up at run time and are not part of this package. The client's
source is read, because importing it takes a second; without the client nothing has a description.
"""

import ast
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

_FIELD = re.compile(r'^    (\w+): (.*?)description=("(?:[^"\\]|\\.)*")', re.M)
_ALIAS = re.compile(r'serialization_alias="(\w+)"')
_TYPE = re.compile(r'^class \w+\(BaseModel\):\n    """\n    (.*?)\n    """', re.M | re.S)


@dataclass(frozen=True, kw_only=True)
class Model:
    """One type."""

    text: str = ""
    """What it is."""

    fields: Mapping[str, str] = field(default_factory=dict)
    """What its fields are, by their names in JSON."""

    attributes: Mapping[str, str] = field(default_factory=dict)
    """The same by their names in Python."""


@cache
def model(module: str) -> Model:
    """The client's ``v1_deployment_spec``; one it does not have says nothing."""
    folder = _folder()
    if folder is None or not (folder / f"{module}.py").exists():
        return Model()
    source = (folder / f"{module}.py").read_text(encoding="utf-8")
    fields, attributes = {}, {}
    for name, before, quoted in _FIELD.findall(source):
        alias = _ALIAS.search(before)
        attributes[name] = fields[alias[1] if alias else name] = str(ast.literal_eval(quoted))
    about = _TYPE.search(source)
    # The rest of a docstring is about Python.
    text = about[1].partition("\n\n")[0] if about else ""
    return Model(text=text, fields=fields, attributes=attributes)


def component(name: str) -> Model:
    """The model of an OpenAPI component such as ``io.k8s.api.apps.v1.DeploymentSpec``."""
    *_, group, version, kind = name.split(".")
    versioned = model(f"{version}_{snake(kind)}")
    return versioned if versioned.text or versioned.fields else model(f"{group}_{version}_{snake(kind)}")


def snake(name: str) -> str:
    """``DeploymentSpec`` is ``deployment_spec``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@cache
def _folder() -> Path | None:
    spec = importlib.util.find_spec("kubernetes")
    places = (spec.submodule_search_locations or ()) if spec else ()
    return next((Path(place) / "client" / "models" for place in places), None)
