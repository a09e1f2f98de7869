"""``./lab istioctl …``: the lab's own istioctl on this lab's cluster."""

import argparse
import sys

from labkit.base import choice, settings


def options(parser: argparse.ArgumentParser) -> None:
    """Everything after the word is istioctl's."""
    parser.add_argument("words", nargs=argparse.REMAINDER, help="a command line of istioctl")


def run(arguments: argparse.Namespace) -> int:
    """Its exit code."""
    from labkit import istioctl

    paths = settings.Paths()
    chosen = choice.current(paths)
    text = sys.stdin.read() if "-" in arguments.words and not sys.stdin.isatty() else ""
    done = istioctl.run(
        arguments.words,
        kubeconfig=chosen.kubeconfig or paths.kubeconfig,
        context=chosen.context,
        namespace=chosen.namespace,
        text=text,
    )
    sys.stdout.write(done.out)
    sys.stderr.write(done.err)
    return done.code
