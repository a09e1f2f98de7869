"""What a process gives back to the system."""

import subprocess
import sys

import pytest

from labkit.base import memory

SMAPS = """\
7f0000000000-7f0000002000 r-xp 00001000 08:01 77                         /lib/with a space.so
Size:                  8 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
7f0000010000-7f0000011000 r-xp 00001000 08:01 77                         /lib/relocated.so
Anonymous:             4 kB
7f0000020000-7f0000021000 r--p 00001000 08:01 77                         /lib/constants.so
Anonymous:             0 kB
7f0000030000-7f0000031000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
7f0000040000-7f0000041000 rw-p 00000000 00:00 0
Anonymous:             0 kB
"""

UNMAP = """
import re, grpc
from pathlib import Path
from labkit.base import memory
def resident():
    code = re.findall(r"r-xp [^\\n]+cygrpc.*?^Rss: +(\\d+)", Path("/proc/self/smaps").read_text(), re.S | re.M)
    return sum(map(int, code))
before = resident()
memory._unmap_code()
assert grpc.aio.insecure_channel and grpc.StatusCode.OK.value[0] == 0
print(before, resident())
"""


def test_only_code_that_is_as_in_its_file_is_forgotten():
    assert list(memory._code(SMAPS)) == [(0x7F0000000000, 0x7F0000002000)]


@pytest.mark.skipif(sys.platform != "linux", reason="the mappings of a process are Linux's")
def test_a_program_goes_on_with_less_code_in_memory():
    run = subprocess.run([sys.executable, "-c", UNMAP], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr
    before, after = map(int, run.stdout.split())
    assert after < before / 2
