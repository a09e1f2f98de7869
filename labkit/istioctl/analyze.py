"""``istioctl analyze``: on a cluster, on files, on files as if they were applied to a cluster."""

import argparse
import fnmatch
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import yaml

from labkit.istioctl import positions
from labkit.istioctl.positions import Placed
from labkit.istioctl.session import CommandError, Session
from labkit.kube import resources, status
from labkit.kube.resources import Object, Resource
from labkit.mesh import analysis
from labkit.mesh.analysis.analyzers import LEVELS
from labkit.mesh.analysis.messages import Message

PROBLEMS = 79
"""Istio's exit code where messages reach the threshold."""

SEE = "https://istio.io/v1.31/docs/reference/config/analysis"
READ = (
    *(resources.NAMESPACES, resources.SERVICES, resources.PODS, resources.SECRETS, resources.CONFIG_MAPS),
    *(resources.DEPLOYMENTS, resources.MUTATING_WEBHOOKS, *resources.ISTIO, *resources.GATEWAY_API),
)
SUFFIXES = (".yaml", ".yml", ".json")


def options(parser: argparse.ArgumentParser) -> None:
    """The flags of ``analyze``."""
    parser.add_argument("files", nargs="*")
    parser.add_argument("-A", "--all-namespaces", action="store_true")
    parser.add_argument("-k", "--use-kube", nargs="?", const="true", default="true")
    parser.add_argument("-L", "--list-analyzers", action="store_true")
    parser.add_argument("-R", "--recursive", nargs="?", const="true", default="false")
    parser.add_argument("-S", "--suppress", action="append", default=[], metavar="CODE=OBJECT")
    parser.add_argument("-o", "--output", default="log", choices=("log", "json", "yaml"))
    parser.add_argument("--failure-threshold", default="Error")
    parser.add_argument("--output-threshold", default="Info")
    parser.add_argument("--color", nargs="?", const="true", default="true")
    parser.add_argument("--ignore-unknown", nargs="?", const="true", default="false")
    parser.add_argument("--meshConfigFile", default="")
    parser.add_argument("--timeout", default="30s")
    parser.add_argument("-v", "--verbose", nargs="?", const="true", default="false")
    parser.add_argument("--revision", default="")


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Print messages; 79 where one reaches the threshold, in the text form alone."""
    if arguments.list_analyzers:
        session.print(*_names())
        return 0
    failure, shown = (_level(arguments, name) for name in ("failure_threshold", "output_threshold"))
    placed = [p for name in arguments.files for p in _read(session, name, is_deep=_flag(arguments.recursive))]
    for one in placed:
        if one.obj["kind"] != "Namespace":
            one.obj["metadata"].setdefault("namespace", session.namespace)
    messages = [m for m in _messages(session, arguments, placed) if LEVELS.index(m.level) <= shown]
    messages = [m for m in messages if not _is_suppressed(m, arguments.suppress)]
    where = _where(session, arguments)
    if arguments.output != "log":
        session.document([_entry(m, _reference(m, placed)) for m in messages], arguments.output)
    else:
        session.print(*(_line(m, _reference(m, placed)) for m in messages))
    if not messages:
        session.note(f"✔ No validation issues found when analyzing {where}.")
    elif arguments.output == "log" and any(LEVELS.index(m.level) <= failure for m in messages):
        session.note(f"Error: Analyzers found issues when analyzing {where}.")
        session.note(f"See {SEE} for more information about causes and resolutions.")
        return PROBLEMS
    return 0


def _names() -> Iterator[str]:
    from labkit.mesh.analysis.analyzers import ANALYZERS

    for analyzer in ANALYZERS:
        sentence = (analyzer.run.__doc__ or "").strip().splitlines()[0]
        yield f"* {analyzer.run.__module__.rpartition('.')[2]}.{analyzer.run.__name__}: {sentence}"


def _flag(text: str) -> bool:
    return text.lower() in ("true", "1", "t")


def _level(arguments: argparse.Namespace, name: str) -> int:
    word = getattr(arguments, name).capitalize()
    if word not in LEVELS:
        flag = f"--{name.replace('_', '-')}"
        raise CommandError(f'invalid argument "{word}" for "{flag}" flag: must be one of {", ".join(LEVELS)}')
    return LEVELS.index(word)


def _read(session: Session, name: str, *, is_deep: bool) -> Iterator[Placed]:
    folder = Path(name)
    if name != "-" and folder.is_dir():
        files = sorted(folder.rglob("*") if is_deep else folder.iterdir())
        for file in files:
            if file.suffix in SUFFIXES and file.is_file():
                yield from _parsed(session, str(file))
        return
    yield from _parsed(session, name)


def _parsed(session: Session, name: str) -> list[Placed]:
    try:
        return positions.objects(session.read(name), "FILE" if name == "-" else name)
    except yaml.YAMLError as e:
        raise CommandError(f"Errors parsing content\nError(s) adding files: {name}: {e}") from e


def _messages(session: Session, arguments: argparse.Namespace, placed: Sequence[Placed]) -> list[Message]:
    files = [one.obj for one in placed]
    if not _flag(arguments.use_kube):
        messages = analysis.analyze(analysis.without_cluster(files), has_cluster=False)
    else:
        messages = analysis.analyze(analysis.on_top(cluster(session), files))
    everywhere = arguments.all_namespaces
    return [m for m in messages if everywhere or m.namespace in ("", session.namespace)]


def cluster(session: Session) -> Iterator[Object]:
    """Every object that analyzers read."""
    for resource in READ:
        for obj in _list(session, resource):
            yield {"apiVersion": resource.api_version, "kind": resource.kind, **obj}


def _list(session: Session, resource: Resource) -> Iterable[Object]:
    try:
        return session.api.list(resource)
    except status.NotFound:
        return ()  # a kind that this cluster does not serve
    except status.StatusError as e:
        if e.code == 403:
            session.note(f"Warning: {resource.plural} may not be read; checks of them are left out")
            return ()
        raise


def _is_suppressed(message: Message, rules: Sequence[str]) -> bool:
    pairs = (rule.partition("=") for rule in rules)
    return any(code == message.code and fnmatch.fnmatchcase(message.origin, name) for code, _, name in pairs)


def _where(session: Session, arguments: argparse.Namespace) -> str:
    if arguments.files:
        return "\n".join("FILE" if name == "-" else name for name in arguments.files)
    return "all namespaces" if arguments.all_namespaces else f"namespace: {session.namespace}"


def _reference(message: Message, placed: Sequence[Placed]) -> str:
    for one in placed:
        metadata = one.obj["metadata"]
        space = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
        if message.origin == f"{one.obj['kind']} {space}{metadata['name']}":
            return f"{one.file}:{one.line(message.path)}"
    return ""


def _line(message: Message, reference: str) -> str:
    place = f"{message.origin} {reference}".rstrip()
    return f"{message.level} [{message.code}] ({place}) {message.text}"


def _entry(message: Message, reference: str) -> dict[str, str]:
    return {
        "code": message.code,
        "documentationUrl": f"{SEE}/{message.code.lower()}/",
        "level": message.level,
        "message": message.text,
        "origin": message.origin,
        **({"reference": reference} if reference else {}),
    }
