"""The folder of descriptor files: read again when a file changes; a bad one is said, and the last good ones stay."""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from labkit.sandbox.apps.ratelimit import configuration
from labkit.sandbox.apps.ratelimit.configuration import ConfigurationError, Domains

LOOK = 0.5
"""Seconds between two looks at the folder; the service itself is told by the kernel."""

Stamp = tuple[tuple[str, int, int], ...]


def folder_of(env: Mapping[str, str]) -> Path:
    """``RUNTIME_ROOT/RUNTIME_SUBDIRECTORY/config`` of the container."""
    root = Path(env.get("LABKIT_ROOT", "/")) / env.get("RUNTIME_ROOT", "/srv/runtime_data/current").lstrip("/")
    return root / env.get("RUNTIME_SUBDIRECTORY", "") / env.get("RUNTIME_APPDIRECTORY", "config")


class Files:
    """What the files say now."""

    def __init__(self, folder: Path, statistics: Counter[str]) -> None:
        self._folder, self._statistics = folder, statistics
        self._stamp: Stamp | None = None
        self.domains: Domains | None = None
        """None before a first good configuration."""

        self.problem = ""
        """Why the newest files are not used; empty when they are."""

    def look(self) -> bool:
        """Read the files if one changed; whether it did."""
        stamp = self._now()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            self.domains, self.problem = configuration.read(self._texts(stamp)), ""
        except (ConfigurationError, OSError, UnicodeDecodeError) as e:
            self.problem = str(e)
            self._statistics["config_load_error"] += 1
            kept = "the last good one stays" if self.domains is not None else "there is none yet"
            print(f"error loading new configuration from runtime: {e}; {kept}", file=sys.stderr, flush=True)
            return True
        self._statistics["config_load_success"] += 1
        shown = "".join(f"\n  {limit}" for limit in configuration.limits(self.domains))
        print(f"loaded {len(stamp)} file(s) of {self._folder}:{shown or ' no limit'}", flush=True)
        return True

    def _texts(self, stamp: Stamp) -> dict[str, str]:
        return {name: (self._folder / name).read_text() for name, _, _ in stamp}

    def _now(self) -> Stamp:
        try:
            # A ConfigMap's volume has its versions in folders that begin with a dot.
            files = [p for p in sorted(self._folder.iterdir()) if not p.name.startswith(".") and p.is_file()]
            return tuple((p.name, (s := p.stat()).st_mtime_ns, s.st_size) for p in files)
        except OSError:
            return ()
