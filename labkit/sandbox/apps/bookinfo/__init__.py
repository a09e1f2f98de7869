"""Bookinfo: our own small implementation of the mesh's best-known demo, with its ports, shapes and faults."""
