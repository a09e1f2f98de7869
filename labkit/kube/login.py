"""Logging in with a kubeconfig by the official client, which knows certificates, tokens and credential plugins."""

import logging
import shlex
from pathlib import Path
from typing import Any

from labkit.base import errors


class _Complaints(logging.Handler):
    """Keeps what the official client writes to the root logger: a plugin that fails is told nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(record.getMessage())


def connected(kubeconfig: Path, context: str | None) -> tuple[Any, str]:
    """A client of the official package, and why it has no credentials: empty where no plugin has failed."""
    import yaml
    from kubernetes import config

    complaints, root = _Complaints(), logging.getLogger()
    root.addHandler(complaints)
    try:
        client = config.new_client_from_config(config_file=str(kubeconfig), context=context, persist_config=False)
    except (config.ConfigException, yaml.YAMLError, ValueError, TypeError, AttributeError, KeyError) as e:
        reason = " ".join(str(e).split())
        raise errors.SetupError(
            f"{kubeconfig} cannot be used as a kubeconfig: {reason}",
            next_step=f"kubectl --kubeconfig {shlex.quote(str(kubeconfig))} config get-contexts",
        ) from e
    finally:
        root.removeHandler(complaints)
    return client, " ".join(" ".join(complaints.told).split())


def refused(where: str, complaint: str) -> str:
    """What to say where the cluster does not accept who we are, or takes us for nobody."""
    if complaint:
        return (
            f"The credential plugin of {where} gave no credentials: {complaint[:400]}\n"
            "Next: log in as it says, or install it, then ./lab status"
        )
    return (
        f"The cluster does not accept the credentials in {where} (401 Unauthorized): they have expired, are another "
        "cluster's, or are missing.\nNext: log in to the cluster again or ask for a new kubeconfig, then ./lab status"
    )
