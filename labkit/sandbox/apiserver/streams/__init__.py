"""Protocols inside a WebSocket: remote commands and forwarded ports, as Kubernetes clients speak them."""
