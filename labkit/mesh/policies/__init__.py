"""Which policy objects apply to a proxy, and what they say."""
