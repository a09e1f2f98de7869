"""``python -m labkit``: what the ``lab`` script hands over to."""

import signal
import sys

handler = signal.getsignal(signal.SIGINT)
if handler is signal.default_int_handler:
    # While modules load there is nothing to tidy up: Ctrl-C ends the program, and shows no traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from labkit import cli  # noqa: E402 (Ctrl-C may come while it loads)

signal.signal(signal.SIGINT, handler)
sys.exit(cli.main())
