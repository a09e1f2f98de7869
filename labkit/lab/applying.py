"""From what a learner hands to ``lab.apply`` to what kubectl made of it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from labkit.base import programs, settings
from labkit.kube import manifests, marks, resources
from labkit.kube.resources import Object
from labkit.views import results

Given = str | Path | Object | Sequence[Object]
"""A path, YAML text, one object, or several."""

NOTEBOOKS = settings.CHECKOUT / "notebooks"

_LINE = re.compile(r"^(?P<what>\S+/\S+) (?P<action>created|configured|unchanged|serverside-applied|deleted)\b")
_DELETED = re.compile(r'^(?P<kind>\S+) "(?P<name>[^"]+)" (?P<action>deleted)\b')


def objects_of(given: Given) -> list[Object]:
    """The objects; ManifestError names the source and what is wrong with it."""
    if isinstance(given, Mapping):
        return manifests.parse_list([given])
    if isinstance(given, Path) or (isinstance(given, str) and _is_path(given)):
        return manifests.read(located(Path(given)))
    if isinstance(given, str):
        return manifests.parse(given, source="the YAML text")
    return manifests.parse_list(list(given))


def _is_path(text: str) -> bool:
    return "\n" not in text and text.endswith((".yaml", ".yml", ".json"))


def located(path: Path) -> Path:
    """The file as named from the working directory, else from ``notebooks/``."""
    return path if path.is_absolute() or path.exists() else NOTEBOOKS / path


def subject(objects: Sequence[Object]) -> str:
    """How kubectl's messages call what came on its standard input: by its name where it is one object."""
    if len(objects) != 1:
        return "the manifest"
    (obj,) = objects
    return f"{obj['kind']} {resources.name_of(obj)}"


def typed(given: Given, verb: str) -> str:
    """The command a practitioner types for it."""
    if isinstance(given, Path) or (isinstance(given, str) and _is_path(given)):
        return f"kubectl {verb} -f {given}"
    return f"kubectl {verb} -f -"


def text_of(objects: Sequence[Object]) -> str:
    """The objects as YAML, with the label by which the kit knows them again."""
    return manifests.dump(*(marks.marked(obj) for obj in objects))


def changes(output: programs.Output, command: str) -> results.Changes:
    """What kubectl said, object by object; warnings stand before the first one."""
    parsed, warnings = [], _warnings(output.err)
    for line in output.out.splitlines():
        if match := _LINE.match(line):
            parsed.append(results.Change(what=match["what"], action=match["action"]))
        elif match := _DELETED.match(line):
            parsed.append(results.Change(what=f"{match['kind']}/{match['name']}", action=match["action"]))
    return results.Changes(changes=tuple(parsed), warnings=warnings, command=command)


def _warnings(text: str) -> tuple[str, ...]:
    return tuple(line.removeprefix("Warning: ") for line in text.splitlines() if line.startswith("Warning: "))
