"""A container that only waits to be used by ``kubectl exec``, whatever its command was."""

import signal
from collections.abc import Mapping, Sequence

from labkit.sandbox.apps import system


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Become the command, if the machine has it (``sleep infinity``), else wait to be ended."""
    if argv and system.path_of(argv[0]):
        return system.main(argv, env)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0
