"""What runs beside an app: the agent that starts Envoy, and Envoy's bootstrap."""
