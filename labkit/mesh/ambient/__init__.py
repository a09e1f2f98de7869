"""The mesh without sidecars: who is in it, what istiod tells ztunnel, and which waypoint stands before whom."""
