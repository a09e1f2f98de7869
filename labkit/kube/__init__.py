"""Kubernetes as seen by a client: names of things, manifests, conditions, and the two clients."""
