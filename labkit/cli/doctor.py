"""``./lab doctor``: what was checked, what was seen, and one command that mends each trouble."""

import argparse
import json

from labkit.base import settings
from labkit.cli import selection
from labkit.clusters import commands


def options(parser: argparse.ArgumentParser) -> None:
    """The options of ``doctor``."""
    parser.add_argument("--json", action="store_true", help="for programs")
    selection.options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the table; 1 when something has to be mended."""
    from labkit.lab import doctor

    paths = settings.Paths()
    report = doctor.examine(paths, selection.of(arguments, paths), commands.Machine(paths))
    print(json.dumps(report.data(), indent=2) if arguments.json else doctor.as_text(report))
    return 0 if report.is_well else 1
