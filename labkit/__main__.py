"""``python -m labkit``: what the ``lab`` script hands over to."""

import sys

from labkit import cli

sys.exit(cli.main())
