"""Prometheus in the sandbox: the machine's own where there is one, else a small one with the same HTTP API.

``promql`` is pure: samples in, vectors out. ``store`` holds samples, ``discovery`` and ``relabeling`` find targets,
``scraping`` reads them, ``api`` answers.
"""
