"""The sandbox: a Kubernetes cluster of one process, with pods as local processes and real Envoy sidecars."""
