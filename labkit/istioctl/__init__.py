"""The lab's own ``istioctl``, for machines that have no real one: the course's commands, with istioctl's flags,
columns and exit codes. It asks what a real one asks, through the Kubernetes API and forwarded ports, so it works on
any cluster; only what installs Istio is for the sandbox."""

from labkit.istioctl.program import run

__all__ = ["run"]
