"""``istioctl validate``: what Istio's webhook would say of files, without a cluster."""

import argparse

from labkit.istioctl.session import CommandError, Session
from labkit.kube import manifests, resources
from labkit.mesh import validation


def options(parser: argparse.ArgumentParser) -> None:
    """The flags of ``validate``."""
    parser.add_argument("files", nargs="*")
    parser.add_argument("-f", "--filename", action="append", default=[])
    parser.add_argument("-x", "--referential", nargs="?", const="true", default="true")


def run(session: Session, arguments: argparse.Namespace) -> int:
    """A sentence a file; CommandError with every object that Istio would refuse."""
    files = [*arguments.filename, *arguments.files]
    if not files:
        raise CommandError('must specify at least one file or "-" to read from stdin')
    problems = []
    for name in files:
        refusals = []
        for obj in manifests.parse(session.read(name), source=name):
            verdict = validation.validate(obj)
            label = f"{obj['kind']}/{resources.namespace_of(obj) or session.namespace}/{resources.name_of(obj)}"
            refusals += [f"{label}: {verdict.error}"] if verdict.error else []
            session.note(*(f"Warning: {label}: {text}" for text in verdict.warnings))
        problems += refusals
        if not refusals:
            session.print(f'"{name}" is valid')
    if problems:
        count = f"{len(problems)} error{'s' if len(problems) > 1 else ''} occurred:"
        raise CommandError(count + "".join(f"\n\t* {problem}" for problem in problems))
    return 0
