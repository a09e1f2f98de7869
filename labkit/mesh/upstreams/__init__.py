"""Hosts and their DestinationRules as upstreams."""
