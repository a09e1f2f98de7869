"""``python -m labkit.istioctl``: what ``istioctl`` on the PATH of ``./lab env`` hands over to."""

import sys

from labkit.istioctl import program

sys.exit(program.main(sys.argv[1:]))
