"""nslookup: the addresses of a name as the pod's resolver has them, in BusyBox' form."""

import sys
from collections.abc import Mapping, Sequence

from labkit.sandbox.network import door

SERVER = "10.96.0.10"
"""The cluster's DNS."""


def main(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """``nslookup NAME [SERVER]``; 1 where there is no such name."""
    words = [word for word in argv[1:] if not word.startswith("-")]
    if not words:
        print("usage: nslookup NAME", file=sys.stderr)
        return 1
    print(f"Server:\t\t{SERVER}\nAddress:\t{SERVER}:53\n")
    addresses = door.resolve(words[0], env)
    if not addresses:
        print(f"** server can't find {words[0]}: NXDOMAIN\n")
        return 1
    for address in addresses:
        print(f"Name:\t{words[0]}\nAddress: {address}\n")
    return 0
