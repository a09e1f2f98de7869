"""``envoyproxy/ratelimit``: Envoy's rate limit protocol (v3), the same descriptor file, counts in Redis.

The facts are those of the service itself (github.com/envoyproxy/ratelimit, README and source): fixed windows, a counter
per descriptor and window, one INCRBY for each hit, refused or not.
"""
