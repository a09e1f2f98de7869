"""The numbers to hold, measured on this machine: ``python -m benchmarks``, or ``./lab bench``."""
