"""Putting Istio and Bookinfo on a cluster, step by step as a practitioner does."""
