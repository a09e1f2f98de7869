"""Stock kubectl, run as a user would run it on one sandbox."""

import os
import subprocess

from labkit.base import programs


class Kubectl:
    """Runs stock kubectl on one sandbox."""

    def __init__(self, paths):
        self.kubeconfig = paths.kubeconfig
        self._env = os.environ | {"KUBECONFIG": str(paths.kubeconfig), "KUBECACHEDIR": str(paths.kube_cache)}

    def printed(self, *words, stdin=None):
        """All that a command printed, whether it failed or not."""
        done = self._run(words, stdin)
        return done.stdout + done.stderr

    def _run(self, words, stdin=None):
        return subprocess.run(
            [programs.beside_python("kubectl"), *words],
            input=stdin,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def __call__(self, *words, stdin=None, fails=False):
        done = self._run(words, stdin)
        assert (done.returncode != 0) == fails, f"kubectl {' '.join(words)}\n{done.stdout}{done.stderr}"
        return done.stderr if fails else done.stdout
