"""What ``istioctl analyze`` says of a cluster's objects, under Istio's codes and in its words. Pure."""

from labkit.mesh.analysis.analyzers import analyze, on_top, without_cluster
from labkit.mesh.analysis.messages import Message
from labkit.mesh.analysis.snapshot import Snapshot

__all__ = ["Message", "Snapshot", "analyze", "on_top", "without_cluster"]
