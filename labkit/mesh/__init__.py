"""Istio semantics as pure functions: objects in, Envoy configuration out."""
