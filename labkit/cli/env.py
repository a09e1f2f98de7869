"""``eval "$(./lab env)"``: plain kubectl in this terminal talks to the lab's cluster."""

import argparse
import shlex

from labkit.base import settings
from labkit.cli import jupyter


def options(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(arguments: argparse.Namespace) -> int:
    """Print export lines; the file named may not exist before the first ``./lab up``."""
    for name, value in jupyter.kubectl_environment(settings.Paths()).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0
