"""Where the lab keeps its things. Each value can be set by an environment variable."""

import os
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
"""The folder that holds ``labkit/`` and ``notebooks/``."""


def home() -> Path:
    """The lab's own folder: ``LABKIT_HOME``, or ``.labkit`` in the checkout (one lab per clone)."""
    return Path(os.environ.get("LABKIT_HOME") or CHECKOUT / ".labkit").absolute()


@dataclass(frozen=True, kw_only=True)
class Paths:
    """What lies where below the lab's folder, which only its owner may read (0700)."""

    home: Path = field(default_factory=home)
    """The folder itself."""

    @property
    def kubeconfig(self) -> Path:
        """Credentials for the sandbox's API (0600)."""
        return self.home / "kubeconfig"

    @property
    def kube_cache(self) -> Path:
        """kubectl's discovery cache: its own, since kubectl keys it by host and port only."""
        return self.home / "kube-cache"

    @property
    def state(self) -> Path:
        """The sandbox's stored objects, certificates and pods."""
        return self.home / "state"

    @property
    def tools(self) -> Path:
        """Programs that ``./lab tools install`` has fetched and verified."""
        return self.home / "tools"

    @property
    def logs(self) -> Path:
        """Logs of the lab's own processes."""
        return self.home / "logs"

    @property
    def run(self) -> Path:
        """What runs now: pid and ready files."""
        return self.home / "run"

    def make(self) -> None:
        """Make the folders that every command may write to."""
        for folder in (self.home, self.logs, self.run):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
