"""``istioctl proxy-config``: what one Envoy has, in short tables or as it stands."""
