"""The hosts of the mesh: Services, ServiceEntries and workloads, and which proxy sees them."""
