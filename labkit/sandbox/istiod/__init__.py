"""istiod and the proxies: discovery, certificates, injection, and what becomes an Envoy."""
