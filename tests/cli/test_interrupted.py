"""Ctrl-C, whenever it comes."""

import signal
import subprocess
import sys

LOADING = """
import importlib.abc, runpy, signal, sys

class Interrupting(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "labkit.cli":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
runpy.run_module("labkit", run_name="__main__")
"""
"""A start that is interrupted when the command line is about to be loaded."""


def test_ctrl_c_while_the_program_loads_shows_no_traceback():
    done = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
