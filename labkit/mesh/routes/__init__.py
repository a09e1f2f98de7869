"""VirtualServices as routes."""
