"""``python -m labkit.sandbox.kubelet.command ENTRY NAME ARGUMENT…``: a catalogue command, as a shell starts it."""

import importlib
import os
import sys


def main(arguments: list[str]) -> int:
    """Run the entry with the rest as its argv."""
    module, _, function = arguments[0].partition(":")
    sys.argv = arguments[1:]
    return int(getattr(importlib.import_module(module), function)(arguments[1:], dict(os.environ)) or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
